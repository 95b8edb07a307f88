/* Reads the plain part of XML that platform files are written in, at a few cycles a byte; says no at the
 * first thing that is not plain, for the general reader to judge. */
#include <stdlib.h>
#include <string.h>

#include "base/huge.h"
#include "cluster/xml.h"

enum { NAME = 1, NAME_START = 2, SPACE = 4, VALUE = 8 };

enum { SLOTS = 128, MAX_NAMES = 64, MAX_ATTRS = 32, BLOCK = 1 << 20 };
enum { LONG_NAME = 1000, LONG_VALUE = 1 << 20 }; /* libxml2 has limits of its own */

struct known {
    const char *kept;
    size_t n;
};

struct plain {
    const char *p;
    int line;
    struct ms_arena *arena;
    struct ms_xml *out;
    char *block; /* what is left of one for attributes and their values */
    size_t left;
    int open, depth; /* innermost open element, -1 none */
    bool failed;     /* not plain, or no memory */
    struct known slot[SLOTS];
    int n_names;
    unsigned char is[256];
};

static void classify(unsigned char *is)
{
    for (int c = 0x20; c < 0x80; c++)
        is[c] = c == '<' || c == '&' ? 0 : VALUE;
    for (int c = '0'; c <= '9'; c++)
        is[c] |= NAME;
    for (int c = 'a'; c <= 'z'; c++) {
        is[c] |= NAME | NAME_START;
        is[c - 'a' + 'A'] |= NAME | NAME_START;
    }
    is['_'] |= NAME | NAME_START;
    is['-'] |= NAME;
    is['.'] |= NAME;
    is[' '] |= SPACE;
    is['\t'] |= SPACE;
    is['\n'] |= SPACE;
    is['\r'] |= SPACE;
}

static bool is(const struct plain *r, char c, int what)
{
    return r->is[(unsigned char)c] & what;
}

static void skip_spaces(struct plain *r)
{
    for (; is(r, *r->p, SPACE); r->p++)
        r->line += *r->p == '\n';
}

static void *take(struct plain *r, size_t bytes)
{
    bytes = (bytes + 7) / 8 * 8;
    if (bytes > r->left) {
        size_t want = bytes > BLOCK ? bytes : BLOCK;
        r->block = ms_arena_alloc(r->arena, want, 1);
        r->left = r->block ? want : 0;
    }
    r->failed |= !r->block;
    if (r->failed)
        return NULL;
    char *p = r->block;
    r->block += bytes;
    r->left -= bytes;
    return p;
}

/* Names are few and come again and again: one copy of each. NULL: too many */
static const char *keep_name(struct plain *r, const char *p, size_t n)
{
    unsigned at = (unsigned)(unsigned char)p[0] * 7 + (unsigned)(unsigned char)p[n - 1] * 31 +
                  (unsigned)n * 13;
    for (;; at++) {
        struct known *k = &r->slot[at % SLOTS];
        if (k->kept && k->n == n && !memcmp(k->kept, p, n))
            return k->kept;
        if (k->kept)
            continue;
        char *kept = r->n_names++ < MAX_NAMES ? take(r, n + 1) : NULL;
        if (!kept)
            return NULL;
        memcpy(kept, p, n);
        *k = (struct known){kept, n};
        return kept;
    }
}

/* The name at p. @return NULL: there is none that is plain */
static const char *read_name(struct plain *r)
{
    const char *from = r->p;
    if (!is(r, *r->p, NAME_START))
        return NULL;
    while (is(r, *r->p, NAME))
        r->p++;
    size_t n = (size_t)(r->p - from);
    return n < LONG_NAME ? keep_name(r, from, n) : NULL;
}

struct attribute {
    const char *name, *value;
    size_t n;
};

/* NAME="VALUE" */
static bool read_attribute(struct plain *r, struct attribute *a)
{
    a->name = read_name(r);
    if (!a->name || !strcmp(a->name, "xmlns") || *r->p++ != '=')
        return false;
    char quote = *r->p++;
    a->value = r->p;
    if (quote != '"' && quote != '\'')
        return false;
    while (is(r, *r->p, VALUE) && *r->p != quote)
        r->p++;
    a->n = (size_t)(r->p - a->value);
    return a->n < LONG_VALUE && *r->p++ == quote;
}

static bool is_new(const struct attribute *a, int n)
{
    for (int i = 0; i < n; i++)
        if (a[i].name == a[n].name)
            return false;
    return true;
}

/* All attributes up to the tag's end, in one piece. */
static bool read_attributes(struct plain *r, struct ms_xml_el *e)
{
    struct attribute a[MAX_ATTRS];
    size_t bytes = 0;
    int n = 0;
    for (;; n++) {
        bool apart = is(r, *r->p, SPACE);
        skip_spaces(r);
        if (*r->p == '>' || *r->p == '/')
            break;
        if (!apart || n == MAX_ATTRS || !read_attribute(r, &a[n]) || !is_new(a, n))
            return false;
        bytes += sizeof *e->attr + a[n].n + 1;
    }
    struct ms_xml_attr *list = take(r, bytes);
    if (!list)
        return false;
    char *value = (char *)(list + n);
    for (int i = 0; i < n; i++) {
        list[i] = (struct ms_xml_attr){a[i].name, value};
        memcpy(value, a[i].value, a[i].n);
        value[a[i].n] = '\0';
        value += a[i].n + 1;
    }
    e->attr = list;
    e->n_attrs = n;
    return true;
}

static bool grow(struct ms_xml *x)
{
    if (x->n < x->cap)
        return true;
    int cap = x->cap ? 2 * x->cap : 256;
    struct ms_xml_el *el = ms_huge_realloc(x->el, (size_t)cap * sizeof *el);
    if (!el)
        return false;
    x->el = el;
    x->cap = cap;
    return true;
}

static bool start_tag(struct plain *r)
{
    struct ms_xml *x = r->out;
    if ((r->open < 0 && x->n > 0) || r->depth == MS_XML_MAX_DEPTH || x->n >= MS_XML_MAX_ELEMENTS ||
        !grow(x))
        return false;
    int self = x->n;
    struct ms_xml_el *e = &x->el[self];
    *e = (struct ms_xml_el){.line = r->line, .parent = r->open};
    r->p++;
    if (!(e->name = read_name(r)) || !read_attributes(r, e))
        return false;
    x->n++;
    if (*r->p == '/') {
        e->end = x->n;
        r->p++;
    } else {
        r->open = self;
        r->depth++;
    }
    return *r->p++ == '>';
}

static bool end_tag(struct plain *r)
{
    struct ms_xml *x = r->out;
    if (r->open < 0)
        return false;
    struct ms_xml_el *e = &x->el[r->open];
    size_t n = strlen(e->name);
    if (strncmp(r->p + 2, e->name, n) != 0 || r->p[2 + n] != '>')
        return false;
    r->p += n + 3;
    e->end = x->n;
    r->open = e->parent;
    r->depth--;
    return true;
}

static bool comment(struct plain *r)
{
    const char *e = strstr(r->p + 4, "-->");
    for (const char *p = r->p; e && p < e; p++)
        r->line += *p == '\n';
    r->p = e ? e + 3 : r->p;
    return e;
}

static bool starts(struct plain *r, const char *const *with)
{
    for (; *with; with++) {
        size_t n = strlen(*with);
        if (strncmp(r->p, *with, n) != 0)
            continue;
        r->p += n;
        skip_spaces(r);
        return true;
    }
    return false;
}

/* Comments may stand before and between. */
static bool head(struct plain *r)
{
    static const char *const declaration[] = {"<?xml version=\"1.0\"?>", "<?xml version='1.0'?>",
                                              "<?xml version=\"1.0\" encoding=\"utf-8\"?>",
                                              "<?xml version=\"1.0\" encoding=\"UTF-8\"?>", NULL};
    static const char *const doctype[] = {
        "<!DOCTYPE platform SYSTEM \"https://simgrid.org/simgrid.dtd\">",
        "<!DOCTYPE platform SYSTEM \"http://simgrid.gforge.inria.fr/simgrid/simgrid.dtd\">", NULL};
    if (!starts(r, declaration))
        return false;
    while (!strncmp(r->p, "<!--", 4) && comment(r))
        skip_spaces(r);
    return starts(r, doctype);
}

static bool document(struct plain *r, const char *end)
{
    bool good = head(r);
    while (good && r->p < end) {
        skip_spaces(r);
        if (r->p == end)
            break;
        good = *r->p == '<' && (r->p[1] == '/'              ? end_tag(r)
                                : !strncmp(r->p, "<!--", 4) ? comment(r)
                                                            : start_tag(r));
    }
    return good && r->p == end && r->out->n > 0 && r->open < 0;
}

bool ms_xml_plain(const char *text, size_t n, struct ms_arena *a, struct ms_xml *out)
{
    struct plain *r = calloc(1, sizeof *r);
    *out = (struct ms_xml){0};
    if (!r)
        return false;
    r->p = text;
    r->line = 1;
    r->arena = a;
    r->out = out;
    r->open = -1;
    classify(r->is);
    bool plain = document(r, text + n);
    free(r);
    if (!plain)
        ms_xml_finish(out);
    return plain;
}
