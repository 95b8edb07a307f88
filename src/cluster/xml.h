/** @file xml.h  A platform file as a flat list of elements (this room only).
 *
 * What SimGrid's own lexer would die of (a DOCTYPE it does not know, CDATA, a DTD of the file's
 * own) is refused, what it skips is skipped, and libxml2 reads the rest: both see the same
 * document, or `recoded` says that SimGrid needs a copy in plain UTF-8. */
#ifndef MS_CLUSTER_XML_H
#define MS_CLUSTER_XML_H

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"

struct ms_xml_attr {
    const char *name, *value;
};

/** Elements are in document order, so a parent comes before its children and `end` closes the
 * subtree. */
struct ms_xml_el {
    const char *name;
    const char *text; /**< character data of an element without children, or NULL */
    const struct ms_xml_attr *attr;
    int n_attrs;
    int line;   /**< where its start tag begins */
    int parent; /**< -1 for the root */
    int end;    /**< one past its last descendant */
};

struct ms_xml {
    struct ms_xml_el *el;
    int n, cap;
    bool recoded; /**< references or Latin-1 letters, which SimGrid would read as other bytes */
};

enum { MS_XML_MAX_BYTES = 256 << 20, MS_XML_MAX_DEPTH = 64, MS_XML_MAX_ELEMENTS = 16 << 20 };

/** text with comments, processing instructions, declaration and DOCTYPE blanked, in UTF-8; lines
 * stay where they are. @return MS_OK; MS_INVALID with an error added; MS_NOMEM */
enum ms_status ms_xml_scan(const char *path, const char *text, size_t n, struct ms_buf *out,
                           bool *recoded, struct ms_errs *errs);
/** Parse text (n bytes, NUL after the last). Strings are copied to the arena; out->el is the
 * heap's: free it.
 * @return MS_OK, MS_INVALID with errors added, MS_NOMEM */
enum ms_status ms_xml_parse(const char *path, const char *text, size_t n, struct ms_arena *a,
                            struct ms_xml *out, struct ms_errs *errs);
void ms_xml_finish(struct ms_xml *x);

/** An attribute's value, or `fallback` where it is not given. */
const char *ms_xml_get(const struct ms_xml_el *e, const char *name, const char *fallback);

#endif
