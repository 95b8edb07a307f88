/* Files a platform refers to: only inside its own folder, and sane, since SimGrid aborts on a bad
 * line. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "cluster/platform_check.h"

enum { MAX_PROFILE_BYTES = 16 << 20 };

/* The real path of the file and of the folder it must stay in. @return what is wrong, or NULL */
const char *ms_check_confine(const char *platform, const char *value, char *full)
{
    char home[PATH_MAX], joined[2 * PATH_MAX], *slash;
    struct stat st;
    if (*value == '/')
        return "is an absolute path: it must stay in the platform's folder";
    for (const char *c = value; c; c = strchr(c, '/') ? strchr(c, '/') + 1 : NULL)
        if (!strncmp(c, "..", 2) && (c[2] == '/' || !c[2]))
            return "leaves the platform's folder";
    snprintf(home, sizeof home, "%s", platform);
    if ((slash = strrchr(home, '/')))
        slash[slash == home] = '\0';
    snprintf(joined, sizeof joined, "%s/%s", slash ? home : ".", value);
    if (!realpath(slash ? home : ".", home))
        return "cannot be looked up: the platform's folder is gone";
    if (!realpath(joined, full))
        return errno == ENOENT || errno == ENOTDIR ? "does not exist" : "cannot be read";
    size_t n = strlen(home);
    if (strncmp(full, home, n) != 0 || (full[n] != '/' && n > 1))
        return "leaves the platform's folder";
    if (stat(full, &st) != 0 || !S_ISREG(st.st_mode))
        return "is not a regular file";
    if (st.st_size > MAX_PROFILE_BYTES)
        return "is larger than 16 MiB";
    return NULL;
}

static bool number(const char **p, double *out)
{
    char *end;
    const char *s = *p + strspn(*p, " \t");
    if (!isdigit((unsigned char)*s) && *s != '.')
        return false;
    *out = strtod(s, &end);
    *p = end;
    return end > s && isfinite(*out) && !memchr(s, 'x', (size_t)(end - s));
}

/* "TIME VALUE", times rising, values 0 or more; PERIODICITY and LOOPAFTER lines; # comments.
 * @return the bad line, 0 none */
static int bad_line(const char *text)
{
    double last = -1, t, v;
    int line = 1;
    for (; *text; line++) {
        size_t n = strcspn(text, "\n");
        char row[256];
        const char *p = row;
        if (n >= sizeof row)
            return line;
        memcpy(row, text, n);
        row[n] = '\0';
        text += n + (text[n] == '\n');
        p += strspn(p, " \t\r");
        if (!*p || *p == '#' || *p == '%')
            continue;
        if (!strncmp(p, "PERIODICITY ", 12) || !strncmp(p, "LOOPAFTER ", 10)) {
            p += strcspn(p, " ");
            if (!number(&p, &t))
                return line;
        } else if (!number(&p, &t) || !number(&p, &v) || t <= last) {
            return line;
        } else {
            last = t;
        }
        if (p[strspn(p, " \t\r")])
            return line;
    }
    return 0;
}

void ms_check_file(struct ms_check *c, int i, const struct ms_attr_rule *rule, const char *value)
{
    char full[PATH_MAX];
    struct ms_buf text = {0};
    struct ms_err err = {0};
    const char *fault = ms_check_confine(c->path, value, full);
    if (fault) {
        ms_check_error(c, i, "%s '%.200s' %s", rule->name, value, fault);
        return;
    }
    if (ms_file_read(full, &text, &err) != MS_OK) {
        ms_check_error(c, i, "%s '%.200s' cannot be read", rule->name, value);
    } else {
        int line = text.n ? bad_line(text.p) : 1;
        if (line)
            ms_check_error(c, i, "%s '%.200s': line %d is not 'TIME VALUE' with rising times",
                           rule->name, value, line);
        struct ms_hash h = ms_hash128(text.p ? text.p : "", text.n);
        ms_buf_adds(&c->files, h.hex);
    }
    ms_buf_finish(&text);
}
