#include "topology/topology.h"

Oid
rama_current_topology(void)
{
	return InvalidOid;
}
void
rama_topology_dropped(Oid relid)
{
}
