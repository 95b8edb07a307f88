/* Names written short, as Slurm writes them: brackets multiply from left to right, commas
 * outside of them part. At most MAX_NAMES names a list, lest a line of a few letters fill the
 * memory. */
#include "import/hostlist.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAMES = 200000 };

/* Where the names go. */
struct names {
    struct ms_reading *r;
    ms_hostlist_fn *each;
    void *ctx;
    int left;
};

struct range {
    long from, to;
    int width; /* digits, with leading zeros */
};

/* "01-03" or "7", up to a comma or the closing bracket. @return what follows; NULL: no range */
static const char *read_range(const char *p, const char *close, struct range *out)
{
    size_t width = strspn(p, "0123456789");
    char *end;
    long from = strtol(p, &end, 10), to = from;
    if (!width || width > 9)
        return NULL;
    if (*end == '-') {
        if (!isdigit((unsigned char)end[1]))
            return NULL;
        to = strtol(end + 1, &end, 10);
    }
    if (to < from || to - from > MAX_NAMES || (*end != ',' && end != close))
        return NULL;
    *out = (struct range){from, to, (int)width};
    return end + (*end == ',');
}

/* Every name that begins with prefix and goes on as text says. */
static enum ms_status expand(struct names *n, const char *prefix, const char *text)
{
    char name[480];
    struct range range;
    const char *open = strchr(text, '[');
    int lead = open ? (int)(open - text) : (int)strlen(text);
    int length = snprintf(name, sizeof name, "%s%.*s", prefix, lead, text);
    if (length < 0 || length >= (int)sizeof name)
        return ms_reading_error(n->r, "a name longer than 480 bytes");
    if (!open)
        return --n->left < 0 ? ms_reading_error(n->r, "more than %d names in one list", MAX_NAMES)
                             : n->each(n->ctx, name);
    const char *close = strchr(open, ']');
    if (!close)
        return ms_reading_error(n->r, "'%.60s': a bracket is never closed", text);
    for (const char *p = open + 1; p < close;) {
        p = read_range(p, close, &range);
        if (!p)
            return ms_reading_error(n->r, "'%.60s': ranges must look like [01-03,7]", text);
        for (long v = range.from; v <= range.to; v++) {
            char head[512];
            snprintf(head, sizeof head, "%s%0*ld", name, range.width, v);
            enum ms_status s = expand(n, head, close + 1);
            if (s != MS_OK)
                return s;
        }
    }
    return MS_OK;
}

enum ms_status ms_hostlist(struct ms_reading *r, const char *list, ms_hostlist_fn *each, void *ctx)
{
    struct names names = {.r = r, .each = each, .ctx = ctx, .left = MAX_NAMES};
    enum ms_status s = MS_OK;
    for (const char *p = list; s == MS_OK && *p;) {
        char item[4096];
        size_t n = 0;
        for (bool in = false; p[n] && (in || p[n] != ','); n++)
            in = p[n] == '[' || (in && p[n] != ']');
        if (n >= sizeof item)
            return ms_reading_error(r, "a name longer than 4095 bytes");
        snprintf(item, sizeof item, "%.*s", (int)n, p);
        if (n)
            s = expand(&names, "", item);
        p += n + (p[n] == ',');
    }
    return s;
}
