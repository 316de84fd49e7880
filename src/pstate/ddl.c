#include "pstate/pstate.h"

void
rama_pstate_dropped(Oid relid)
{
}
