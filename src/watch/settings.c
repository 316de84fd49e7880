/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  Values as text, whatever a session has set.
 *
 * A notifier compares and tells keys as JSON, of which the text of times,
 * intervals and some others depends on settings of the session. So it has
 * settings of its own; a watch's keys are stored in the same way, and a session
 * that would see such values as another text is told to fetch them.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/subscribe.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

static const char *const settings[][2] = {
	{"TimeZone", "UTC"},
	{"DateStyle", "ISO, MDY"},
	{"IntervalStyle", "postgres"},
	{"extra_float_digits", "1"},
	{"bytea_output", "hex"}
};

/* rama_notifier_settings() -- For the whole process. */
void
rama_notifier_settings(void)
{
	for (int i = 0; i < (int) lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

/* Does every session read and write it in the same way? */
static bool
is_same_for_all(Oid type)
{
	Oid			element = get_element_type(getBaseType(type));

	type = getBaseType(OidIsValid(element) ? element : getBaseType(type));
	switch (type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case OIDOID:
		case NUMERICOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
		case CHAROID:
		case UUIDOID:
		case INETOID:
		case CIDROID:
		case TIMEOID:
		case JSONOID:
		case JSONBOID:
			return true;
		default:
			return type_is_enum(type);
	}
}

static bool
schema_is_same_for_all(const RamaNode *node)
{
	if (node->kind == RAMA_SCALAR)
		return is_same_for_all(node->type.oid);
	if (node->kind != RAMA_STRUCT && !is_same_for_all(node->key.oid))
		return false;
	for (int i = 0; i < node->nchildren; i++)
		if (!schema_is_same_for_all(node->children[i]))
			return false;
	return true;
}

static bool
session_is_as_notifier(void)
{
	const char *zone = pg_get_timezone_name(session_timezone);

	return zone && (strcmp(zone, "UTC") == 0 || strcmp(zone, "Etc/UTC") == 0) &&
		DateStyle == USE_ISO_DATES && DateOrder == DATEORDER_MDY &&
		IntervalStyle == INTSTYLE_POSTGRES && extra_float_digits > 0 &&
		bytea_output == BYTEA_OUTPUT_HEX;
}

/*
 * rama_watch_is_local() -- Could this session and a notifier understand
 * something of the PState differently?
 */
bool
rama_watch_is_local(const RamaPState *pstate)
{
	return !session_is_as_notifier() && !schema_is_same_for_all(pstate->root);
}

/* rama_watch_share_keys() -- Write the keys of a bound path as a notifier does. */
void
rama_watch_share_keys(RamaWatchPath *watch)
{
	int			level = NewGUCNestLevel();

	for (int i = 0; i < (int) lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	rama_watch_path_keys(watch);
	AtEOXact_GUC(true, level);
}
