/* Before libxml2 sees a file: what SimGrid's lexer skips (comments, processing instructions) is
 * blanked, what it would die of is refused, and the rest becomes UTF-8, line by line as before. */
#include <ctype.h>
#include <string.h>

#include "cluster/xml.h"

struct scan {
    const char *p, *end; /* what is left */
    const char *kept;    /* what is to go into out, up to p */
    struct ms_buf *out;
    int line;
    bool declared, doctype, latin, recoded;
    const char *fault;
    int fault_line;
    char text[160]; /* of a fault that names something */
};

static void refuse(struct scan *s, const char *fault)
{
    if (!s->fault) {
        s->fault = fault;
        s->fault_line = s->line;
    }
    s->p = s->end;
}

/* One byte of ISO-8859-1 is the Unicode character of that number. */
static void take_latin(struct scan *s, const char *p, size_t n)
{
    for (; n; p++, n--) {
        unsigned char c = (unsigned char)*p;
        char two[2] = {(char)(0xc0 | c >> 6), (char)(0x80 | (c & 0x3f))};
        s->recoded |= c >= 0x80;
        if (c >= 0x80)
            ms_buf_add(s->out, two, 2);
        else
            ms_buf_add(s->out, p, 1);
    }
}

/* What was kept so far into out. */
static void copy(struct scan *s)
{
    if (s->latin)
        take_latin(s, s->kept, (size_t)(s->p - s->kept));
    else
        ms_buf_add(s->out, s->kept, (size_t)(s->p - s->kept));
    s->kept = s->p;
}

static const char *next_line(const char *p, const char *stop)
{
    return memchr(p, '\n', (size_t)(stop - p));
}

/* n bytes are kept as they are. */
static void keep(struct scan *s, size_t n)
{
    const char *stop = s->p + n;
    for (const char *nl = s->p; (nl = next_line(nl, stop)); nl++)
        s->line++;
    s->p = stop;
}

/* Of n bytes only their line ends. */
static void drop(struct scan *s, size_t n)
{
    const char *stop = s->p + n;
    copy(s);
    for (const char *nl = s->p; (nl = next_line(nl, stop)); nl++) {
        s->line++;
        ms_buf_add(s->out, "\n", 1);
    }
    s->kept = s->p = stop;
}

/* Skip to just after `mark`, which must come at or after `from`. */
static void skip_to(struct scan *s, size_t from, const char *mark, const char *fault)
{
    const char *e = strstr(s->p + from, mark);
    if (e)
        drop(s, (size_t)(e - s->p) + strlen(mark));
    else
        refuse(s, fault);
}

static const char *blanks(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

/* ` NAME = "VALUE"` at p. @return behind it, or NULL; value without its quotes */
static const char *pseudo_attribute(const char *p, const char *name, const char **value, size_t *n)
{
    const char *q = blanks(p);
    if (q == p || strncmp(q, name, strlen(name)) != 0)
        return NULL;
    q = blanks(q + strlen(name));
    if (*q++ != '=')
        return NULL;
    q = blanks(q);
    const char *e = *q == '"' || *q == '\'' ? strchr(q + 1, *q) : NULL;
    if (!e)
        return NULL;
    *value = q + 1;
    *n = (size_t)(e - q) - 1;
    return e + 1;
}

static bool one_of(const char *value, size_t n, const char *const *words)
{
    for (; *words; words++)
        if (strlen(*words) == n && !strncasecmp(value, *words, n))
            return true;
    return false;
}

/* SimGrid 3.32 knows the version and the encoding, nothing else and no blank before the end. */
static void declaration(struct scan *s)
{
    static const char *const utf8[] = {"UTF-8", "UTF8", "US-ASCII", "ASCII", NULL};
    static const char *const latin1[] = {"ISO-8859-1", "ISO8859-1", "ISO_8859-1", "LATIN1", NULL};
    const char *value = "", *p = pseudo_attribute(s->p + 5, "version", &value, &(size_t){0});
    size_t n = 0;
    if (s->declared || s->doctype) {
        refuse(s, "the XML declaration must come before everything else in the file");
        return;
    }
    s->declared = true;
    const char *e = p ? pseudo_attribute(p, "encoding", &value, &n) : NULL;
    if (!p || strncmp(e ? e : p, "?>", 2) != 0)
        refuse(s, "SimGrid reads <?xml version=\"1.0\"?> and <?xml version=\"1.0\" "
                  "encoding=\"utf-8\"?> only: no standalone, no blank before ?>");
    else if (e && !one_of(value, n, utf8) && !one_of(value, n, latin1))
        refuse(s, "the encoding must be UTF-8 or ISO-8859-1");
    else
        drop(s, (size_t)((e ? e : p) - s->p) + 2);
    s->latin = e && one_of(value, n, latin1);
}

/* The two addresses SimGrid 3.32 takes; it stops at any other. */
static void doctype(struct scan *s)
{
    static const char *const known[] = {"https://simgrid.org/simgrid.dtd",
                                        "http://simgrid.gforge.inria.fr/simgrid/simgrid.dtd"};
    const char *end = strpbrk(s->p, "[>"), *p = blanks(s->p + 9), *q;
    bool good = p > s->p + 9 && !strncmp(p, "platform", 8);
    if (!end || *end == '[') {
        refuse(s, end ? "a DTD inside the file (entities) is refused: SimGrid does not read it, "
                        "and entities can expand without bound"
                      : "the DOCTYPE is never closed");
        return;
    }
    p = good ? blanks(p + 8) : p;
    good = good && !strncmp(p, "SYSTEM", 6);
    q = good ? blanks(p + 6) : p;
    good = good && (*q == '"' || *q == '\'') && q > p + 6;
    size_t n = good ? strcspn(q + 1, "\"'>") : 0;
    good = good && q[1 + n] == *q && *blanks(q + n + 2) == '>' &&
           ((strlen(known[0]) == n && !strncmp(q + 1, known[0], n)) ||
            (strlen(known[1]) == n && !strncmp(q + 1, known[1], n)));
    if (!good)
        refuse(s, "SimGrid does not know this DOCTYPE and stops; write <!DOCTYPE platform SYSTEM "
                  "\"https://simgrid.org/simgrid.dtd\">");
    s->doctype = true;
    if (good)
        drop(s, (size_t)(end - s->p) + 1);
}

/* &amp; &lt; &gt; &quot; &apos; and numbers: what needs no DTD. */
static bool known_reference(const char *p)
{
    static const char *const five[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"};
    for (int i = 0; i < 5; i++)
        if (!strncmp(p, five[i], strlen(five[i])))
            return true;
    if (p[1] != '#')
        return false;
    bool hex = p[2] == 'x';
    size_t n = strspn(p + 2 + hex, hex ? "0123456789abcdefABCDEF" : "0123456789");
    return n > 0 && n < 8 && p[2 + hex + n] == ';';
}

static void reference(struct scan *s)
{
    if (known_reference(s->p)) {
        s->recoded = true; /* SimGrid's lexer makes bytes of numbers, not characters */
        keep(s, 1);
        return;
    }
    snprintf(s->text, sizeof s->text,
             "'%.*s' is not a reference that a platform file may use; "
             "write '&amp;' for the character",
             (int)strcspn(s->p + 1, "; \t\r\n\"'<>") % 40 + 1, s->p);
    refuse(s, s->text);
}

/* A tag, quotes and all: inside them '<' and "-->" mean nothing. */
static void tag(struct scan *s)
{
    char quote = '\0';
    if (!s->doctype) {
        refuse(s, "SimGrid wants <!DOCTYPE platform SYSTEM \"https://simgrid.org/simgrid.dtd\"> "
                  "before the first element");
        return;
    }
    while (s->p < s->end) {
        const char in_quotes[] = {quote, '&', '\0'};
        keep(s, strcspn(s->p, quote ? in_quotes : "\"'>&"));
        char c = *s->p;
        if (s->p == s->end)
            return;
        if (c == '&') {
            reference(s);
            continue;
        }
        keep(s, 1);
        if (c == '>' && !quote)
            return;
        quote = quote ? '\0' : c;
    }
}

static void construct(struct scan *s)
{
    if (!strncmp(s->p, "<!--", 4))
        skip_to(s, 4, "-->", "a comment that is never closed");
    else if (!strncmp(s->p, "<?xml", 5) && isspace((unsigned char)s->p[5]))
        declaration(s);
    else if (!strncmp(s->p, "<?", 2))
        skip_to(s, 2, "?>", "a processing instruction that is never closed");
    else if (!strncmp(s->p, "<!DOCTYPE", 9))
        doctype(s);
    else if (!strncmp(s->p, "<![CDATA[", 9))
        refuse(s, "CDATA sections are refused in a platform file");
    else if (!strncmp(s->p, "<!", 2))
        refuse(s, "declarations such as <!ENTITY> are refused in a platform file");
    else
        tag(s);
}

enum ms_status ms_xml_scan(const char *path, const char *text, size_t n, struct ms_buf *out,
                           bool *recoded, struct ms_errs *errs)
{
    struct scan s = {.p = text, .end = text + n, .kept = text, .out = out, .line = 1};
    const char *nul = memchr(text, '\0', n);
    *recoded = false;
    if (n == 0)
        refuse(&s, "an empty file");
    else if (n >= 2 && ((unsigned char)text[0] >= 0xfe || (unsigned char)text[0] == 0xef))
        refuse(&s, "a byte-order mark: SimGrid wants plain UTF-8 that starts with <?xml");
    else if (*blanks(text) != '<')
        refuse(&s, "not XML: a platform file starts with <?xml version=\"1.0\"?>");
    for (const char *p = text; nul && p < nul; p++)
        s.line += *p == '\n';
    if (nul)
        refuse(&s, "a NUL byte: not a text file in UTF-8");
    while (s.p < s.end) {
        size_t plain = strcspn(s.p, "<&");
        keep(&s, plain);
        if (s.p < s.end && *s.p == '&')
            reference(&s);
        else if (s.p < s.end)
            construct(&s);
    }
    if (s.fault)
        ms_errs_add_at(errs, MS_INVALID, path, s.fault_line, 0, NULL, "%s", s.fault);
    else
        copy(&s);
    *recoded = s.recoded;
    return s.fault ? MS_INVALID : out->failed ? MS_NOMEM : MS_OK;
}
