/*-------------------------------------------------------------------------
 *
 * fault.h
 *	  Fault points, where tests make a server die. They are listed in
 *	  faults.txt, and nothing unless built with -DRAMA_FAULTS.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_FAULT_H
#define RAMA_FAULT_H

#ifdef RAMA_FAULTS
extern void rama_fault_define_gucs(void);
extern void rama_fault(const char *name);
#define RAMA_FAULT(name) rama_fault(name)
#else
#define rama_fault_define_gucs() ((void) 0)
#define RAMA_FAULT(name) ((void) 0)
#endif

#endif							/* RAMA_FAULT_H */
