/* Reads a platform's XML into a flat list of elements, and refuses what SimGrid's own lexer would
 * read differently. */
#include "cluster/xml.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <stdlib.h>
#include <string.h>

#include "base/huge.h"

/** A name as the parser has it, equal names at one address, and as it is kept. */
struct known_name {
    const xmlChar *from;
    const char *kept;
};
enum { KNOWN_NAMES = 64 };

struct reader {
    const char *path;
    struct ms_arena *arena;
    struct ms_xml *out;
    struct ms_errs *errs;
    xmlParserCtxtPtr ctxt;
    struct ms_buf text;
    int open; /* innermost open element, -1 none */
    int depth;
    bool failed, nomem;
    struct known_name known[KNOWN_NAMES];
    int n_known;
};

static void fail(struct reader *r, int line, const char *text)
{
    if (!r->failed)
        ms_errs_add_at(r->errs, MS_INVALID, r->path, line, 0, NULL, "%s", text);
    r->failed = true;
}

static int line_of(struct reader *r)
{
    return r->ctxt && r->ctxt->input ? r->ctxt->input->line : 0;
}

/* Where the tag that was just read began: attribute values hold no '<'. */
static int tag_line(struct reader *r)
{
    const xmlChar *p = r->ctxt->input->cur, *base = r->ctxt->input->base;
    int line = line_of(r);
    for (; p > base && *p != '<'; p--)
        line -= *p == '\n';
    return line;
}

static void stop(struct reader *r, const char *text)
{
    fail(r, line_of(r), text);
    xmlStopParser(r->ctxt);
}

static struct ms_xml_el *grow(struct reader *r)
{
    struct ms_xml *x = r->out;
    if (x->n == x->cap) {
        int cap = x->cap ? 2 * x->cap : 256;
        struct ms_xml_el *el = ms_huge_realloc(x->el, (size_t)cap * sizeof *el);
        if (!el) {
            r->nomem = true;
            return NULL;
        }
        x->el = el;
        x->cap = cap;
    }
    return &x->el[x->n];
}

static const char *intern(struct reader *r, const char *s, size_t n)
{
    char *p = ms_arena_alloc(r->arena, n + 1, 1);
    if (p)
        memcpy(p, s, n);
    else
        r->nomem = true;
    return p;
}

/* Names are few and come again and again: one copy of each. */
static const char *intern_name(struct reader *r, const xmlChar *name)
{
    int i = 0;
    while (i < r->n_known && r->known[i].from != name)
        i++;
    if (i < r->n_known)
        return r->known[i].kept;
    const char *kept = intern(r, (const char *)name, strlen((const char *)name));
    if (i < KNOWN_NAMES)
        r->known[r->n_known++] = (struct known_name){name, kept};
    return kept;
}

/* The attributes of an element and their values, in one piece. libxml2 gives five pointers an
 * attribute: name, prefix, URI, value's begin and end. */
static const struct ms_xml_attr *keep_attributes(struct reader *r, int n, const xmlChar **attrs)
{
    size_t list = (size_t)n * sizeof(struct ms_xml_attr), bytes = list;
    for (int i = 0; i < n; i++)
        bytes += (size_t)(attrs[5 * i + 4] - attrs[5 * i + 3]) + 1;
    struct ms_xml_attr *a = ms_arena_alloc(r->arena, bytes, 1);
    char *value = (char *)a + list;
    r->nomem |= !a;
    for (int i = 0; a && i < n; i++) {
        const xmlChar **p = attrs + 5 * i;
        size_t length = (size_t)(p[4] - p[3]);
        a[i] = (struct ms_xml_attr){intern_name(r, p[0]), memcpy(value, p[3], length)};
        value += length + 1; /* the arena's memory is zero */
    }
    return a;
}

static void keep_text(struct reader *r)
{
    if (r->open >= 0 && r->text.n && !r->out->el[r->open].text &&
        strspn(r->text.p, " \t\r\n") < r->text.n)
        r->out->el[r->open].text = intern(r, r->text.p, r->text.n);
    r->text.n = 0;
}

static void on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int n_ns, const xmlChar **ns, int n_attrs, int n_default,
                     const xmlChar **attrs)
{
    struct reader *r = ctx;
    struct ms_xml_el *e;
    if (r->failed || r->nomem)
        return;
    keep_text(r);
    if (prefix || n_ns)
        stop(r, "XML name spaces are not part of a platform file");
    else if (++r->depth > MS_XML_MAX_DEPTH)
        stop(r, "elements are nested more than 64 deep");
    else if (r->out->n >= MS_XML_MAX_ELEMENTS)
        stop(r, "more than 16 million elements");
    if (r->failed || !(e = grow(r)))
        return;
    *e = (struct ms_xml_el){.line = tag_line(r),
                            .parent = r->open,
                            .attr = keep_attributes(r, n_attrs, attrs),
                            .n_attrs = n_attrs,
                            .name = intern_name(r, name)};
    r->open = r->out->n++;
}

static void on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    struct reader *r = ctx;
    if (r->failed || r->nomem || r->open < 0)
        return;
    keep_text(r);
    r->out->el[r->open].end = r->out->n;
    r->open = r->out->el[r->open].parent;
    r->depth--;
}

static void on_text(void *ctx, const xmlChar *text, int n)
{
    struct reader *r = ctx;
    if (!r->failed && !r->nomem)
        ms_buf_add(&r->text, text, (size_t)n);
}

static void on_error(void *ctx, xmlErrorPtr e)
{
    struct reader *r = ctx;
    char text[512];
    if (!e || e->level < XML_ERR_ERROR)
        return;
    snprintf(text, sizeof text, "not well-formed XML: %s",
             e->message ? e->message : "syntax error");
    for (char *p = text + strlen(text); p > text && (p[-1] == '\n' || p[-1] == ' ');)
        *--p = '\0';
    fail(r, e->line, text);
}

static void parse(struct reader *r, const char *text, size_t n)
{
    xmlSAXHandler sax = {.initialized = XML_SAX2_MAGIC,
                         .startElementNs = on_start,
                         .endElementNs = on_end,
                         .characters = on_text,
                         .ignorableWhitespace = on_text,
                         .serror = (xmlStructuredErrorFunc)(void (*)(void))on_error};
    r->ctxt = xmlCreateMemoryParserCtxt(text, (int)n);
    if (!r->ctxt) {
        r->nomem = true;
        return;
    }
    xmlSAXHandlerPtr old = r->ctxt->sax;
    r->ctxt->sax = &sax;
    r->ctxt->userData = r;
    xmlCtxtUseOptions(r->ctxt, XML_PARSE_NONET);
    r->ctxt->sax->initialized = XML_SAX2_MAGIC;
    int rc = xmlParseDocument(r->ctxt);
    if ((rc < 0 || !r->ctxt->wellFormed) && !r->nomem)
        fail(r, line_of(r), "not well-formed XML");
    r->ctxt->sax = old;
    if (r->ctxt->myDoc)
        xmlFreeDoc(r->ctxt->myDoc);
    r->ctxt->myDoc = NULL;
    xmlFreeParserCtxt(r->ctxt);
    r->ctxt = NULL;
}

enum ms_status ms_xml_parse(const char *path, const char *text, size_t n, struct ms_arena *a,
                            struct ms_xml *out, struct ms_errs *errs)
{
    struct reader r = {.path = path, .arena = a, .out = out, .errs = errs, .open = -1};
    struct ms_buf plain = {0};
    *out = (struct ms_xml){0};
    enum ms_status s = ms_xml_scan(path, text, n, &plain, &out->recoded, errs);
    if (s == MS_OK && plain.n)
        parse(&r, plain.p, plain.n);
    if (s == MS_OK && !r.failed && !r.nomem && out->n == 0)
        fail(&r, 1, "no element at all");
    r.nomem |= r.text.failed;
    ms_buf_finish(&r.text);
    ms_buf_finish(&plain);
    if (s == MS_OK)
        s = r.failed ? MS_INVALID : r.nomem ? MS_NOMEM : MS_OK;
    if (s != MS_OK)
        ms_xml_finish(out);
    return s;
}

void ms_xml_finish(struct ms_xml *x)
{
    free(x->el);
    *x = (struct ms_xml){0};
}

const char *ms_xml_get(const struct ms_xml_el *e, const char *name, const char *fallback)
{
    for (int i = 0; i < e->n_attrs; i++)
        if (!strcmp(e->attr[i].name, name))
            return e->attr[i].value;
    return fallback;
}
