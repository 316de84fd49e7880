#include "depot/depot.h"

void
rama_depot_dropped(Oid relid)
{
}
