/** @file readers.h  One reader a format: text into a map (map.h), strictly, errors with their line.
 *
 * A reader of a fabric fills nodes, NICs, switches and cables; one of a node's inside fills a
 * struct ms_inside that stands for one node or all. */
#ifndef MS_IMPORT_READERS_H
#define MS_IMPORT_READERS_H

#include <regex.h>

#include "import/import.h"
#include "import/inside.h"
#include "import/map.h"

struct ms_slurm;

/** One text under way. */
struct ms_reading {
    const char *path;
    const char *text;
    size_t n;
    const struct ms_import_options *o;
    struct ms_errs *errs;
    int line;
    /** Slurm's: what a node holds, where files say so; or NULL */
    const struct ms_insides *insides;
    /** Slurm's: names only, cables come from elsewhere; or NULL */
    struct ms_slurm *choice;
};

/** What Slurm's file says about names: which nodes, and which share a leaf or a block. */
struct ms_slurm {
    const char *path; /**< NULL: none was given */
    struct ms_map names;
    int *leaf;                /**< [names.nodes.n] number in leaves */
    struct ms_strings leaves; /**< switches or blocks, by number */
    bool blocks;
};

void ms_slurm_finish(struct ms_slurm *s);

enum ms_status ms_read_ibnetdiscover(struct ms_reading *r, struct ms_map *m);
enum ms_status ms_read_ports(struct ms_reading *r, struct ms_map *m); /**< ibnetdiscover -p */
enum ms_status ms_read_simai(struct ms_reading *r, struct ms_map *m); /**< and HPCC, ns-3 */
enum ms_status ms_read_slurm_conf(struct ms_reading *r, struct ms_map *m);
enum ms_status ms_read_slurm_yaml(struct ms_reading *r, struct ms_map *m);
/** The facts go to m, the insides (one a host of the file) to whoever joins them with nodes. */
enum ms_status ms_read_nccl(struct ms_reading *r, struct ms_map *m, const char *pattern,
                            struct ms_insides *out);

/** An error at the line that is being read. @return MS_INVALID */
enum ms_status ms_reading_error(struct ms_reading *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/** The next line without its end, NUL-terminated, in buf; too long a line is an error (n < 0).
 * @return its length, -1 at the end of the text, -2 after an error */
int ms_reading_line(struct ms_reading *r, const char **at, char *buf, size_t size);
/** A file of GUIDs and names (--hosts): NICs and switches of the map get the names. */
enum ms_status ms_read_hosts(struct ms_reading *r, struct ms_map *m);
/** "0x0c42a103005562a2", "0c42:a103:0055:62a2": @return 0: not a GUID; *end behind it */
uint64_t ms_guid_parse(const char *text, const char **end);
/** "4xNDR", "4x NDR": bytes per second of data, one way. @return 0: not a rate */
double ms_ib_rate(const char *word);
/** A host's name and its NIC's from "node mlx5_5" or "node HCA-6" (the same device). Default
 * descriptions name no host. @return whether there is a host name */
bool ms_ib_names(const char *description, char *host, char *nic, size_t size);

#endif
