/* From libyaml's events to a tree: what of YAML is taken, where each value stands, and the limits on
 * size, depth and aliases. */
#include "base/yaml_tree.h"

#include <stdint.h>
#include <string.h>
#include <yaml.h>

struct anchor {
    const char *name;
    const struct ms_yaml *node; /* NULL while it is still open */
};

struct parse {
    yaml_parser_t yaml;
    yaml_event_t event; /* the one under the cursor; owned */
    struct ms_arena *arena;
    struct ms_errs *errs;
    const char *file, *text;
    size_t n_bytes;
    int first_col;
    size_t n_nodes;
    int n_anchors;
    struct anchor anchor[MS_YAML_MAX_ANCHORS];
};

static int line_of(yaml_mark_t m)
{
    return (int)m.line + 1;
}

static int col_of(const struct parse *p, yaml_mark_t m)
{
    return (int)m.column + 1 + (m.line == 0 ? p->first_col : 0);
}

static bool fail_at(struct parse *p, yaml_mark_t m, const char *text)
{
    ms_errs_add_at(p->errs, MS_INVALID, p->file, line_of(m), col_of(p, m), NULL, "%s", text);
    return false;
}

static bool fail_here(struct parse *p, const char *text)
{
    return fail_at(p, p->event.start_mark, text);
}

static bool no_memory(struct parse *p)
{
    ms_errs_add_at(p->errs, MS_NOMEM, p->file, 0, 0, NULL, "out of memory");
    return false;
}

/* Encoding errors come with a byte offset only. */
static bool encoding_error(struct parse *p)
{
    size_t at = p->yaml.problem_offset < p->n_bytes ? p->yaml.problem_offset : p->n_bytes;
    int line = 1, col = 1;
    for (size_t i = 0; i < at; i++) {
        unsigned char c = (unsigned char)p->text[i];
        if (c == '\n') {
            line++;
            col = 1;
        } else if ((c & 0xC0) != 0x80) {
            col++;
        }
    }
    const char *what = p->yaml.problem ? p->yaml.problem : "it cannot be decoded";
    bool control = strstr(what, "control") != NULL;
    ms_errs_add_at(p->errs, MS_INVALID, p->file, line, col, NULL,
                   control ? "a control character; scenario files are plain text"
                           : "not UTF-8 text (%s)",
                   what);
    return false;
}

/* The byte under a mark of the scanner. Marks count characters, so walk the line. */
static char byte_at(const struct parse *p, yaml_mark_t m)
{
    const char *s = p->text, *end = p->text + p->n_bytes;
    for (size_t line = 0; line < m.line && s < end; s++)
        line += *s == '\n';
    for (size_t col = 0; col < m.column && s < end; s++)
        col += ((unsigned char)s[1 < end - s ? 1 : 0] & 0xC0) != 0x80;
    return s < end ? *s : 0;
}

static bool syntax_error(struct parse *p)
{
    const yaml_parser_t *y = &p->yaml;
    if (y->error == YAML_MEMORY_ERROR)
        return no_memory(p);
    if (y->error == YAML_READER_ERROR)
        return encoding_error(p);
    yaml_mark_t m = y->problem_mark;
    if (p->first_col > 0 &&
        !memchr(p->text, '\n', p->n_bytes)) { /* the end of a --set is no new line */
        m.column += m.line > 0 ? p->n_bytes : 0;
        m.line = 0;
    }
    if (byte_at(p, m) == '\t')
        return fail_at(p, m, "a tab character; YAML is indented with spaces");
    char text[300];
    snprintf(text, sizeof text, "not valid YAML: %s%s%s",
             y->problem ? y->problem : "unknown problem", y->context ? " " : "",
             y->context ? y->context : "");
    if (y->context && y->context_mark.line != m.line) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, " that starts on line %zu", y->context_mark.line + 1);
    }
    return fail_at(p, m, text);
}

/* Move to the next event. */
static bool next(struct parse *p)
{
    yaml_event_delete(&p->event);
    memset(&p->event, 0, sizeof p->event);
    return yaml_parser_parse(&p->yaml, &p->event) ? true : syntax_error(p);
}

static const struct ms_yaml *parse_node(struct parse *p, int depth);

static struct ms_yaml *new_node(struct parse *p, enum ms_yaml_kind kind)
{
    if (++p->n_nodes > MS_YAML_MAX_NODES) {
        fail_here(p, "too many values: more than 100000");
        return NULL;
    }
    struct ms_yaml *node = MS_NEW(p->arena, struct ms_yaml, 1);
    if (!node) {
        no_memory(p);
        return NULL;
    }
    node->kind = kind;
    node->expanded = 1;
    return node;
}

static bool refuse_tag(struct parse *p, const yaml_char_t *tag, bool implicit)
{
    if (!tag || implicit)
        return true;
    return fail_here(p, "YAML tags (!…) have no meaning in a scenario; write the value alone");
}

/* Remember a name given with &name. *slot is where its node goes once it is complete; -1: no name. */
static bool open_anchor(struct parse *p, const yaml_char_t *name, int *slot)
{
    *slot = -1;
    if (!name)
        return true;
    if (p->n_anchors == MS_YAML_MAX_ANCHORS)
        return fail_here(p, "too many anchors (&…): more than 256");
    char *copy = ms_arena_strdup(p->arena, (const char *)name);
    if (!copy)
        return no_memory(p);
    *slot = p->n_anchors++;
    p->anchor[*slot] = (struct anchor){copy, NULL};
    return true;
}

static const struct ms_yaml *close_anchor(struct parse *p, int slot, const struct ms_yaml *node)
{
    if (slot >= 0)
        p->anchor[slot].node = node;
    return node;
}

static const struct ms_yaml *parse_alias(struct parse *p)
{
    const char *name = (const char *)p->event.data.alias.anchor;
    for (int i = p->n_anchors - 1; i >= 0; i--) {
        if (strcmp(p->anchor[i].name, name) != 0)
            continue;
        if (!p->anchor[i].node) {
            fail_here(p, "an alias that stands inside what it names");
            return NULL;
        }
        return p->anchor[i].node;
    }
    char text[160], clean[80];
    snprintf(text, sizeof text, "unknown alias '*%s'", ms_clean(name, clean, sizeof clean));
    fail_here(p, text);
    return NULL;
}

static const struct ms_yaml *parse_scalar(struct parse *p)
{
    const yaml_char_t *value = p->event.data.scalar.value;
    size_t n = p->event.data.scalar.length;
    bool implicit = p->event.data.scalar.plain_implicit || p->event.data.scalar.quoted_implicit;
    int slot;
    if (!refuse_tag(p, p->event.data.scalar.tag, implicit) ||
        !open_anchor(p, p->event.data.scalar.anchor, &slot))
        return NULL;
    if (memchr(value, 0, n)) {
        fail_here(p, "a NUL character inside a value");
        return NULL;
    }
    struct ms_yaml *node = new_node(p, MS_YAML_SCALAR);
    if (!node)
        return NULL;
    node->plain = p->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->text = ms_arena_strdup(p->arena, (const char *)value);
    if (!node->text) {
        no_memory(p);
        return NULL;
    }
    return close_anchor(p, slot, node);
}

/* Hang an entry at the end of a collection under construction; counts what aliases expand to. */
static bool append(struct parse *p, struct ms_yaml *to, struct ms_entry ***tail,
                   struct ms_entry made)
{
    struct ms_entry *e = MS_NEW(p->arena, struct ms_entry, 1);
    if (!e)
        return no_memory(p);
    *e = made;
    **tail = e;
    *tail = (struct ms_entry **)&e->next;
    to->n++;
    to->expanded += made.value->expanded;
    if (to->expanded > MS_YAML_MAX_NODES) {
        ms_errs_add_at(p->errs, MS_INVALID, p->file, made.line, made.col, NULL,
                       "too many values: more than 100000 once the aliases are written out");
        return false;
    }
    return true;
}

static const struct ms_yaml *parse_list(struct parse *p, int depth)
{
    int slot;
    struct ms_yaml *list = new_node(p, MS_YAML_LIST);
    if (!list ||
        !refuse_tag(p, p->event.data.sequence_start.tag, p->event.data.sequence_start.implicit) ||
        !open_anchor(p, p->event.data.sequence_start.anchor, &slot))
        return NULL;
    struct ms_entry **tail = (struct ms_entry **)&list->first;
    for (;;) {
        if (!next(p))
            return NULL;
        if (p->event.type == YAML_SEQUENCE_END_EVENT)
            return close_anchor(p, slot, list);
        struct ms_entry e = {.file = p->file,
                             .line = line_of(p->event.start_mark),
                             .col = col_of(p, p->event.start_mark)};
        e.value = parse_node(p, depth + 1);
        if (!e.value || !append(p, list, &tail, e))
            return NULL;
    }
}

/* The key under the cursor; duplicates are reported and reading goes on. */
static bool parse_key(struct parse *p, const struct ms_yaml *map, struct ms_entry *e)
{
    char clean[80];
    if (p->event.type != YAML_SCALAR_EVENT)
        return fail_here(p, p->event.type == YAML_ALIAS_EVENT ? "an alias cannot be a key"
                                                              : "a key must be a word");
    if (map->n >= MS_YAML_MAX_KEYS)
        return fail_here(p, "too many keys in one mapping: more than 1000");
    e->file = p->file;
    e->line = line_of(p->event.start_mark);
    e->col = col_of(p, p->event.start_mark);
    const struct ms_yaml *key = parse_scalar(p);
    if (!key)
        return false;
    e->key = key->text;
    if (key->plain && strcmp(key->text, "<<") == 0)
        return fail_here(
            p, "merge keys (<<) are not taken; repeat the keys, or alias the whole mapping");
    const struct ms_entry *first = ms_yaml_get(map, e->key);
    if (first)
        ms_errs_add_at(p->errs, MS_INVALID, p->file, e->line, e->col, NULL,
                       "duplicate key '%s': it stands on line %d already",
                       ms_clean(e->key, clean, sizeof clean), first->line);
    return true;
}

static const struct ms_yaml *parse_map(struct parse *p, int depth)
{
    int slot;
    struct ms_yaml *map = new_node(p, MS_YAML_MAP);
    if (!map ||
        !refuse_tag(p, p->event.data.mapping_start.tag, p->event.data.mapping_start.implicit) ||
        !open_anchor(p, p->event.data.mapping_start.anchor, &slot))
        return NULL;
    struct ms_entry **tail = (struct ms_entry **)&map->first;
    for (;;) {
        if (!next(p))
            return NULL;
        if (p->event.type == YAML_MAPPING_END_EVENT)
            return close_anchor(p, slot, map);
        struct ms_entry e = {0};
        if (!parse_key(p, map, &e) || !next(p))
            return NULL;
        e.value = parse_node(p, depth + 1);
        if (!e.value || !append(p, map, &tail, e))
            return NULL;
    }
}

static const struct ms_yaml *parse_node(struct parse *p, int depth)
{
    if (depth > MS_YAML_MAX_DEPTH) {
        fail_here(p, "nested too deep: more than 64 levels");
        return NULL;
    }
    switch (p->event.type) {
    case YAML_ALIAS_EVENT:
        return parse_alias(p);
    case YAML_SCALAR_EVENT:
        return parse_scalar(p);
    case YAML_SEQUENCE_START_EVENT:
        return parse_list(p, depth);
    case YAML_MAPPING_START_EVENT:
        return parse_map(p, depth);
    default:
        fail_here(p, "not valid YAML: a value is missing");
        return NULL;
    }
}

static const struct ms_entry *parse_document(struct parse *p)
{
    if (!next(p) || !next(p)) /* stream start, document start */
        return NULL;
    if (p->event.type == YAML_STREAM_END_EVENT) {
        ms_errs_add_at(p->errs, MS_INVALID, p->file, 1, 1 + p->first_col, NULL,
                       "there is nothing in it");
        return NULL;
    }
    if (!next(p))
        return NULL;
    struct ms_entry *root = MS_NEW(p->arena, struct ms_entry, 1);
    if (!root) {
        no_memory(p);
        return NULL;
    }
    *root = (struct ms_entry){.key = "",
                              .file = p->file,
                              .line = line_of(p->event.start_mark),
                              .col = col_of(p, p->event.start_mark)};
    root->value = parse_node(p, 0);
    if (!root->value || !next(p) || !next(p)) /* document end, stream end */
        return NULL;
    if (p->event.type != YAML_STREAM_END_EVENT) {
        fail_here(p, "a second document starts here; a file holds one scenario");
        return NULL;
    }
    return root;
}

const struct ms_entry *ms_yaml_parse(struct ms_arena *arena, const char *file, int first_col,
                                     const char *text, size_t n_bytes, struct ms_errs *errs)
{
    if (n_bytes > MS_YAML_MAX_BYTES) {
        ms_errs_add_at(errs, MS_INVALID, file, 0, 0, NULL,
                       "larger than 4 MiB, which no scenario is");
        return NULL;
    }
    struct parse *p = MS_NEW(arena, struct parse, 1);
    if (!p || !yaml_parser_initialize(&p->yaml)) {
        ms_errs_add_at(errs, MS_NOMEM, file, 0, 0, NULL, "out of memory");
        return NULL;
    }
    p->arena = arena;
    p->errs = errs;
    p->file = file;
    p->text = text;
    p->n_bytes = n_bytes;
    p->first_col = first_col;
    yaml_parser_set_input_string(&p->yaml, (const unsigned char *)text, n_bytes);
    const struct ms_entry *root = parse_document(p);
    yaml_event_delete(&p->event);
    yaml_parser_delete(&p->yaml);
    return root;
}
