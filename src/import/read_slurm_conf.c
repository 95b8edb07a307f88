/* Slurm's topology.conf, and what `scontrol show topology` prints: a line a switch or block,
 * keys and values with '=' between them. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "import/slurm_tree.h"

/* The value of KEY= among blanks, any case. */
static const char *value_of(const char *line, const char *key, char *out, size_t size)
{
    size_t k = strlen(key);
    for (const char *p = line; *p;) {
        p += strspn(p, " \t");
        size_t n = strcspn(p, " \t");
        if (n > k && !strncasecmp(p, key, k) && p[k] == '=') {
            snprintf(out, size, "%.*s", (int)(n - k - 1), p + k + 1);
            return out;
        }
        p += n;
    }
    return NULL;
}

/* `Key = "a, b"` as `Key=a,b`: blanks round '=' and quotes mean nothing, a comment ends the
 * line. */
static void straighten(char *line)
{
    char *to = line;
    bool in = false;
    line[strcspn(line, "#")] = '\0';
    for (char *p = line; *p; p++) {
        if (*p == '"') {
            in = !in;
            continue;
        }
        bool blank = isspace((unsigned char)*p);
        if (blank && (in || p[strspn(p, " \t")] == '=' || (to > line && to[-1] == '=')))
            continue;
        *to++ = *p;
    }
    *to = '\0';
}

/* Nothing but keys that topology.conf, or scontrol, has. */
static enum ms_status check_keys(struct ms_reading *r, const char *line)
{
    static const char *const keys[] = {"SwitchName", "BlockName",       "BlockSizes", "BlockIndex",
                                       "Level",      "LinkSpeed",       "Nodes",      "Switches",
                                       "BlockSize",  "AggregatedBlock", "Topology"};
    enum { KEYS = sizeof keys / sizeof *keys };
    if (!strncasecmp(line, "include", 7) && isspace((unsigned char)line[7]))
        return ms_reading_error(r, "'%.60s' reaches out of the file: write the switches out", line);
    for (const char *p = line; *p;) {
        p += strspn(p, " \t");
        size_t n = strcspn(p, " \t"), k = 0, e = strcspn(p, "= \t");
        while (n && k < KEYS && (strlen(keys[k]) != e || strncasecmp(p, keys[k], e) != 0))
            k++;
        if (n && (k == KEYS || p[e] != '='))
            return ms_reading_error(r, "'%.60s' is no key of topology.conf", p);
        p += n;
    }
    return MS_OK;
}

static enum ms_status read_line(struct ms_slurm_tree *t, char *line, char *value[3], size_t size)
{
    straighten(line);
    enum ms_status s = check_keys(t->r, line);
    if (s != MS_OK)
        return s;
    const char *name = value_of(line, "SwitchName", value[0], size);
    const char *block = name ? NULL : value_of(line, "BlockName", value[0], size);
    const char *nodes = value_of(line, "Nodes", value[1], size);
    if (name)
        return ms_slurm_add(t, name, nodes, value_of(line, "Switches", value[2], size));
    if (block) {
        ms_strings_add(&t->blocks, block);
        return ms_slurm_add(t, block, nodes, NULL);
    }
    if (value_of(line, "BlockSizes", value[0], size))
        ms_strings_add(&t->block_sizes, value[0]);
    return MS_OK; /* scontrol's AggregatedBlock: unions of the blocks above */
}

enum ms_status ms_read_slurm_conf(struct ms_reading *r, struct ms_map *m)
{
    struct ms_slurm_tree t = {.r = r, .m = m};
    enum { LINE = 1 << 20 };
    char *mem = malloc(4 * (size_t)LINE), *value[3];
    const char *at = r->text;
    int n;
    enum ms_status s = mem ? MS_OK : MS_NOMEM;
    for (int k = 0; mem && k < 3; k++)
        value[k] = mem + (k + 1) * LINE;
    while (s == MS_OK && (n = ms_reading_line(r, &at, mem, LINE)) != -1) {
        while (n > 0 && mem[n - 1] == '\\') { /* the next line belongs to it */
            int more = ms_reading_line(r, &at, mem + n - 1, (size_t)(LINE - n + 1));
            mem[more < 0 ? n - 1 : n - 1 + more] = '\0';
            n = more == -2 ? -2 : more < 0 ? n - 1 : n - 1 + more;
            if (more < 0)
                break;
        }
        s = n < 0 ? MS_INVALID : read_line(&t, mem, value, LINE);
    }
    free(mem);
    return ms_slurm_end(&t, s);
}
