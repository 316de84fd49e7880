/*-------------------------------------------------------------------------
 *
 * client.h
 *	  PostgreSQL's header for the connection to the client, without the
 *	  headers of libraries that encrypt it, which need not be installed here.
 *
 * Nothing of struct Port behind them may be used. To be included after
 * postgres.h, before all else that might include libpq's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_CLIENT_H
#define RAMA_CLIENT_H

#undef ENABLE_GSS
#undef USE_OPENSSL
#undef USE_SSL

#include "libpq/libpq.h"
#include "libpq/pqformat.h"

#endif							/* RAMA_CLIENT_H */
