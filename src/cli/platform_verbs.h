/** @file platform_verbs.h  The sub-verbs of `moesim platform`, one file each. */
#ifndef MS_CLI_PLATFORM_VERBS_H
#define MS_CLI_PLATFORM_VERBS_H

/** argv[0] is the sub-verb. @return an exit code */
int ms_platform_generate(int argc, char **argv);
int ms_platform_import(int argc, char **argv);
int ms_platform_show(int argc, char **argv);

#endif
