/* Measured files: which columns there are, what each takes, and what a row must say for its leg to
 * mean anything. */
#define _GNU_SOURCE
#include "hardware/measured.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "base/field.h"
#include "hardware/measured_traffic.h"

#define IN_ROW(member) MS_AT(struct ms_measured_row, member)
#define TEXT .type = MS_FIELD_STRING

static const char *const leg_names[] = {"dispatch", "combine",   "notify", "alltoall", "experts",
                                        "permute",  "unpermute", "layer",  "step",     NULL};
static const char *const mode_names[] = {
    "", "low_latency", "low_latency_rdma", "normal", "alltoall", "alltoallv", NULL};
static const char *const routing_names[] = {"", "deepep", "uniform", "perfect", "matrix", NULL};
static const char *const peer_names[] = {"all", "other_nodes", "same_rail", NULL};
static const char *const statistic_names[] = {
    "mean", "mean_over_ranks", "max_over_ranks", "p50", "p95", "p99", NULL};

/* clang-format off */
static const struct ms_field columns[] = {
    {.key = "id", IN_ROW(id), TEXT, .help = "unique in the file"},
    {.key = "family", IN_ROW(family), TEXT, .help = "rows that are judged together"},
    {.key = "fit", IN_ROW(fit), MS_ONE_OF("yes", "no", "skip"), .help = "yes: may be used to find constants"},
    {.key = "source", IN_ROW(source), TEXT, MS_OPTIONAL, .help = "where the number was published"},
    {.key = "hardware", IN_ROW(hardware), TEXT, .help = "a hardware profile's name"},
    {.key = "library", IN_ROW(library), TEXT, .help = "the communication or GEMM library"},
    {.key = "mode", IN_ROW(mode), .type = MS_FIELD_ENUM, .names = mode_names, MS_OPTIONAL, .help = "how it moves data"},
    {.key = "ranks", IN_ROW(ranks), MS_INT32(1, 4096), .help = "GPUs"},
    {.key = "gpus_per_node", IN_ROW(gpus_per_node), MS_INT32(1, 4096), MS_OPTIONAL, .help = "in one NVLink domain"},
    {.key = "tokens_per_rank", IN_ROW(tokens), MS_INT(1, 1e9), MS_OPTIONAL, .help = "tokens"},
    {.key = "hidden", IN_ROW(hidden), MS_INT32(1, 1e6), MS_OPTIONAL, .help = "values of a token"},
    {.key = "experts", IN_ROW(experts), MS_INT32(1, 65535), MS_OPTIONAL, .help = "routed experts"},
    {.key = "top_k", IN_ROW(top_k), MS_INT32(1, 1024), MS_OPTIONAL, .help = "experts a token"},
    {.key = "groups", IN_ROW(groups), MS_INT32(1, 64), MS_OPTIONAL, .help = "expert groups"},
    {.key = "group_limit", IN_ROW(group_limit), MS_INT32(1, 64), MS_OPTIONAL, .help = "groups a token reaches"},
    {.key = "routing", IN_ROW(routing), .type = MS_FIELD_ENUM, .names = routing_names, MS_OPTIONAL, .help = "who is chosen"},
    {.key = "dispatch_bytes_per_value", IN_ROW(dispatch_bytes_per_value), MS_NUMBER(0, 64), MS_OPTIONAL, .help = "bytes"},
    {.key = "combine_bytes_per_value", IN_ROW(combine_bytes_per_value), MS_NUMBER(0, 64), MS_OPTIONAL, .help = "bytes"},
    {.key = "copy_header_bytes", IN_ROW(copy_header_bytes), MS_NUMBER(0, 1e6), MS_OPTIONAL, .help = "beside a dispatched copy"},
    {.key = "masked_share", IN_ROW(masked_share), MS_NUMBER(0, 1), MS_OPTIONAL, .help = "selections not sent"},
    {.key = "sms", IN_ROW(sms), MS_INT32(1, 1024), MS_OPTIONAL, .help = "SMs of the kernel"},
    {.key = "bytes_sent", IN_ROW(bytes_sent), MS_NUMBER(0, 1e15), MS_OPTIONAL, .help = "to the other ranks together"},
    {.key = "bytes_received", IN_ROW(bytes_received), MS_NUMBER(0, 1e15), MS_OPTIONAL, .help = "from them"},
    {.key = "self_bytes", IN_ROW(self_bytes), MS_NUMBER(0, 1e15), MS_OPTIONAL, .help = "to the rank itself"},
    {.key = "peers", IN_ROW(peers), .type = MS_FIELD_ENUM, .names = peer_names, MS_OPTIONAL, .help = "which others"},
    {.key = "message_bytes", IN_ROW(message_bytes), MS_NUMBER(1, 1e15), MS_OPTIONAL, .help = "of one network write"},
    {.key = "expert_intermediate", IN_ROW(expert_intermediate), MS_INT32(1, 1e6), MS_OPTIONAL, .help = "width of an expert"},
    {.key = "expert_dtype", IN_ROW(expert_dtype), TEXT, MS_OPTIONAL, .help = "bf16 or fp8"},
    {.key = "expert_loads", IN_ROW(loads), TEXT, MS_OPTIONAL, .help = "rows at each local expert"},
    {.key = "traffic", IN_ROW(traffic_key), TEXT, MS_OPTIONAL, .help = "a key of traffic/FAMILY.csv"},
    {.key = "rank", IN_ROW(rank), MS_INT32(0, 4095), MS_OPTIONAL, .help = "the rank measured"},
    {.key = "leg", IN_ROW(leg), .type = MS_FIELD_ENUM, .names = leg_names, .help = "what was timed"},
    {.key = "statistic", IN_ROW(statistic), .type = MS_FIELD_ENUM, .names = statistic_names, MS_OPTIONAL, .help = "of which times"},
    {.key = "value_us", IN_ROW(value_us), MS_NUMBER(0, 1e12), .above_min = true, .help = "the number"},
    {.key = "std_us", IN_ROW(std_us), MS_NUMBER(0, 1e12), MS_OPTIONAL, .help = "its standard deviation"},
    {.key = "notify_us", IN_ROW(notify_us), MS_NUMBER(0, 1e12), MS_OPTIONAL, .help = "the part that was notify"},
    {.key = "note", IN_ROW(note), TEXT, MS_OPTIONAL, .help = "anything"},
    {0},
};
/* clang-format on */

enum { N_COLUMNS = sizeof columns / sizeof *columns - 1 };

struct reading {
    struct ms_measured *m;
    struct ms_files *files;
    struct ms_errs *errs;
    struct ms_csv csv;
    const struct ms_field *of[256]; /* the column of each field */
    int n_of;
    size_t first; /* row of the file */
    const char *path;
    struct family {
        const char *name;
        struct ms_measured_traffic *traffic;
        size_t n;
        bool read;
    } family[64]; /* whose recorded traffic was read */
    int n_families;
};

const char *ms_measured_leg_name(int leg)
{
    return leg >= 0 && leg < MS_N_LEGS ? leg_names[leg] : "";
}

const char *ms_measured_mode_name(int mode)
{
    return mode >= 0 && mode <= MS_MODE_ALLTOALLV ? mode_names[mode] : "";
}

const char *ms_measured_statistic_name(int statistic)
{
    return statistic >= 0 && statistic <= MS_OF_P99 ? statistic_names[statistic] : "";
}

double ms_measured_copy_bytes(const struct ms_measured_row *r, int leg)
{
    return leg == MS_LEG_COMBINE ? r->hidden * r->combine_bytes_per_value
                                 : r->hidden * r->dispatch_bytes_per_value + r->copy_header_bytes;
}

bool ms_measured_is_skewed(const struct ms_measured_row *r)
{
    const struct ms_measured_traffic *t = r->traffic;
    double most = 0, sum = 0;
    int per_rank = t ? t->n_experts / t->n_ranks : 0;
    for (int a = 0; t && a < t->n_ranks; a++)
        for (int b = 0; b < t->n_ranks; b++) {
            double pair = 0;
            for (int e = b * per_rank; e < (b + 1) * per_rank; e++)
                pair += t->rank[a].selections[e];
            most = fmax(most, pair);
            sum += pair;
        }
    double mean = t ? sum / (t->n_ranks * (double)t->n_ranks) : 0;
    return mean > 0 && most > 1.25 * mean + 3 * sqrt(mean);
}

/* Fields are cut out of the file's text in place, so that a column is a distance. */
static int column_at(const struct reading *r, int i)
{
    return (int)(r->csv.field[i] - r->csv.field[0]) + 1;
}

static bool any_column(const struct reading *r)
{
    bool any = false;
    for (int i = 0; i < r->n_of; i++)
        any |= ms_field_find(columns, r->csv.field[i]) != NULL;
    return any;
}

static void read_header(struct reading *r)
{
    const char *names[N_COLUMNS];
    bool there[N_COLUMNS] = {0};
    size_t before = r->errs->n;
    for (int k = 0; k < N_COLUMNS; k++)
        names[k] = columns[k].key;
    r->n_of = r->csv.n_fields < 256 ? r->csv.n_fields : 256;
    if (!any_column(r)) { /* another kind of file: nothing of it is quoted */
        ms_errs_add_at(r->errs, MS_INVALID, r->path, r->csv.line, 0, NULL,
                       "is no measured file: its first line names none of the columns, such as id, "
                       "family, ranks, leg, value_us");
        return;
    }
    for (int i = 0; i < r->n_of; i++) {
        char text[900], word[64];
        const char *name = r->csv.field[i];
        r->of[i] = ms_field_find(columns, name);
        if (!r->of[i])
            ms_errs_add_at(r->errs, MS_INVALID, r->path, r->csv.line, column_at(r, i), NULL,
                           "'%s' is not a column of measured files%s",
                           ms_clean(name, word, sizeof word),
                           ms_allowed(text, sizeof text, name, names, N_COLUMNS));
        else if (there[r->of[i] - columns])
            ms_errs_add_at(r->errs, MS_INVALID, r->path, r->csv.line, column_at(r, i), NULL,
                           "column %s stands here twice", name);
        else
            there[r->of[i] - columns] = true;
    }
    for (int k = 0; k < N_COLUMNS && r->errs->n == before; k++)
        if (!there[k] && !columns[k].fallback)
            ms_errs_add_at(r->errs, MS_INVALID, r->path, r->csv.line, 0, NULL,
                           "there is no column %s, which every measured file has", columns[k].key);
}

static void fail(struct reading *r, const struct ms_field *column, const char *text)
{
    int at = 0;
    for (int i = 0; i < r->csv.n_fields && i < r->n_of; i++)
        if (r->of[i] == column)
            at = column_at(r, i);
    ms_errs_add_at(r->errs, MS_INVALID, r->path, r->csv.line, at, column ? column->key : NULL, "%s",
                   text);
}

static void fail_key(struct reading *r, const char *key, const char *text)
{
    fail(r, ms_field_find(columns, key), text);
}

static void read_cells(struct reading *r, struct ms_measured_row *row)
{
    for (int i = 0; i < r->n_of && i < r->csv.n_fields; i++) {
        const char *text = r->csv.field[i];
        const struct ms_field *f = r->of[i];
        struct ms_err err = {0};
        if (!*text) {
            if (!f->fallback && row->fit != MS_FIT_SKIP)
                fail(r, f, "is empty; every row says it");
            continue;
        }
        if (ms_field_parse(f, text, f->type != MS_FIELD_STRING, &r->m->arena,
                           (char *)row + f->offset, &err) != MS_OK)
            fail(r, f, err.text);
    }
}

static const struct ms_measured_traffic *find_traffic(struct reading *r,
                                                      const struct ms_measured_row *row)
{
    struct family *f = r->family;
    while (f < r->family + r->n_families && strcmp(f->name, row->family) != 0)
        f++;
    if (f == r->family + r->n_families) {
        char name[512];
        if (r->n_families == 64)
            return NULL;
        r->n_families++;
        f->name = row->family;
        snprintf(name, sizeof name, "traffic/%s.csv", row->family);
        char *path = ms_path_beside(r->path, name);
        if (path)
            ms_measured_traffic_read(&r->m->arena, r->files, path, &f->traffic, &f->n, r->errs);
        f->read = f->n > 0;
        free(path);
    }
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->traffic[i].key, row->traffic_key) == 0)
            return &f->traffic[i];
    if (f->read)
        fail_key(r, "traffic", "is not a key of the family's traffic file");
    return NULL;
}

/* What the leg needs to be simulated at all. */
static void check_needs(struct reading *r, const struct ms_measured_row *row)
{
    const char *missing = NULL;
    bool moves =
        row->leg == MS_LEG_DISPATCH || row->leg == MS_LEG_COMBINE || row->leg == MS_LEG_NOTIFY;
    if (row->gpus_per_node > row->ranks)
        fail_key(r, "gpus_per_node", "is more than there are ranks");
    if (row->rank >= row->ranks)
        fail_key(r, "rank", "is not one of the ranks, which count from 0");
    if (row->group_limit > row->groups)
        fail_key(r, "group_limit", "is more than there are groups");
    if (moves && row->mode != MS_MODE_ALLTOALLV) {
        missing = row->tokens == 0                                         ? "tokens_per_rank"
                  : row->hidden == 0                                       ? "hidden"
                  : row->experts == 0                                      ? "experts"
                  : row->top_k == 0                                        ? "top_k"
                  : row->routing == MS_ROUTED_NOT                          ? "routing"
                  : row->routing == MS_ROUTED_MATRIX && !*row->traffic_key ? "traffic"
                  : row->mode == MS_MODE_NONE                              ? "mode"
                  : !(row->dispatch_bytes_per_value > 0) ? "dispatch_bytes_per_value"
                  : !(row->combine_bytes_per_value > 0)  ? "combine_bytes_per_value"
                                                         : NULL;
    } else if (moves || row->leg == MS_LEG_ALLTOALL) {
        missing = row->bytes_sent + row->bytes_received + row->self_bytes > 0 ? NULL : "bytes_sent";
    } else if (row->leg == MS_LEG_EXPERTS) {
        missing = row->hidden == 0                        ? "hidden"
                  : row->expert_intermediate == 0         ? "expert_intermediate"
                  : row->tokens == 0 && row->n_loads == 0 ? "tokens_per_rank"
                                                          : NULL;
    }
    if (missing) {
        char text[160];
        snprintf(text, sizeof text, "leg %s cannot be simulated without it", leg_names[row->leg]);
        fail_key(r, missing, text);
    }
}

static enum ms_status read_row(struct reading *r, struct ms_measured_row *row)
{
    *row = (struct ms_measured_row){.file = r->path,
                                    .line = r->csv.line,
                                    .id = "",
                                    .family = "",
                                    .source = "",
                                    .hardware = "",
                                    .library = "",
                                    .expert_dtype = "",
                                    .traffic_key = "",
                                    .note = "",
                                    .loads = "",
                                    .rank = -1,
                                    .value_us = NAN,
                                    .std_us = NAN,
                                    .notify_us = NAN};
    size_t before = r->errs->n;
    if (r->csv.n_fields != r->n_of) {
        char text[120];
        snprintf(text, sizeof text, "%d fields, but the header has %d", r->csv.n_fields, r->n_of);
        ms_errs_add_at(r->errs, MS_INVALID, r->path, r->csv.line, 0, NULL, "%s", text);
        return MS_OK;
    }
    for (int i = 0; i < r->n_of; i++) /* what is skipped may say less */
        if (r->of[i] && strcmp(r->of[i]->key, "fit") == 0)
            row->fit = strcmp(r->csv.field[i], "skip") == 0 ? MS_FIT_SKIP : MS_FIT_YES;
    read_cells(r, row);
    if (row->gpus_per_node == 0)
        row->gpus_per_node = row->ranks;
    row->n_loads = ms_measured_numbers(&r->m->arena, row->loads, &row->load);
    if (row->n_loads == -2)
        return MS_NOMEM;
    if (row->n_loads < 0)
        fail_key(r, "expert_loads", "must be numbers separated by blanks");
    if (r->errs->n > before || row->fit == MS_FIT_SKIP)
        return MS_OK;
    if (*row->traffic_key)
        row->traffic = find_traffic(r, row);
    if (row->traffic && (row->traffic->n_ranks != row->ranks ||
                         (row->experts > 0 && row->traffic->n_experts != row->experts)))
        fail_key(r, "traffic", "has other numbers of ranks or experts than the row");
    check_needs(r, row);
    return MS_OK;
}

static bool grow(struct ms_measured *m)
{
    if (m->n < m->cap)
        return true;
    size_t cap = m->cap ? 2 * m->cap : 256;
    struct ms_measured_row *row = realloc(m->row, cap * sizeof *row);
    if (!row)
        return false;
    m->row = row;
    m->cap = cap;
    return true;
}

static int by_id(const void *a, const void *b)
{
    const struct ms_measured_row *const *x = a, *const *y = b;
    int order = strcmp((*x)->id, (*y)->id);
    return order ? order : (*x)->line - (*y)->line;
}

static enum ms_status check_ids(struct reading *r)
{
    size_t n = r->m->n - r->first;
    const struct ms_measured_row **sorted = malloc((n + 1) * sizeof *sorted);
    if (!sorted)
        return MS_NOMEM;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &r->m->row[r->first + i];
    qsort(sorted, n, sizeof *sorted, by_id);
    for (size_t i = 1; i < n; i++)
        if (strcmp(sorted[i]->id, sorted[i - 1]->id) == 0)
            ms_errs_add_at(r->errs, MS_INVALID, r->path, sorted[i]->line, 1, "id",
                           "'%s' is line %d's, too", sorted[i]->id, sorted[i - 1]->line);
    free(sorted);
    return MS_OK;
}

static enum ms_status read_rows(struct reading *r, struct ms_err *err)
{
    enum ms_status s = ms_csv_next(&r->csv, err);
    size_t before = r->errs->n;
    if (s == MS_OK && r->csv.n_fields == 0)
        return ms_err_at(err, MS_INVALID, r->path, 0, 0, NULL, "has no header line");
    if (s == MS_OK)
        read_header(r);
    if (r->errs->n > before)
        return MS_INVALID;
    while (s == MS_OK) { /* past a wrong row too, to say what else is wrong */
        s = ms_csv_next(&r->csv, err);
        if (s != MS_OK || r->csv.n_fields == 0)
            break;
        if (!grow(r->m))
            return ms_err_set(err, MS_NOMEM, "out of memory for measured rows");
        size_t errors = r->errs->n;
        if (read_row(r, &r->m->row[r->m->n]) != MS_OK)
            return ms_err_set(err, MS_NOMEM, "out of memory for measured rows");
        r->m->n += r->errs->n == errors;
    }
    return s;
}

enum ms_status ms_measured_read(struct ms_measured *m, struct ms_files *files, const char *path,
                                struct ms_errs *errs)
{
    struct ms_err err = {0};
    struct reading *r = calloc(1, sizeof *r);
    size_t before = errs->n;
    if (!r)
        return MS_NOMEM;
    *r = (struct reading){.m = m, .files = files, .errs = errs, .first = m->n};
    r->path = ms_arena_strdup(&m->arena, path);
    enum ms_status s = r->path ? ms_csv_open(&r->csv, files, r->path, &err)
                               : ms_err_set(&err, MS_NOMEM, "out of memory for measured rows");
    if (s == MS_OK)
        s = read_rows(r, &err);
    if (s == MS_OK && errs->n == before)
        s = check_ids(r);
    if (err.status != MS_OK)
        ms_errs_add(errs, &err);
    ms_csv_finish(&r->csv);
    free(r);
    return s != MS_OK ? s : errs->n > before ? MS_INVALID : MS_OK;
}

static int is_measured(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return n > 4 && e->d_name[0] != '.' && strcmp(e->d_name + n - 4, ".csv") == 0 &&
           strcmp(e->d_name, "bounds.csv") != 0;
}

enum ms_status ms_measured_read_folder(struct ms_measured *m, struct ms_files *files,
                                       const char *folder, struct ms_errs *errs)
{
    struct dirent **entry;
    int n = scandir(folder, &entry, is_measured, alphasort);
    enum ms_status s = MS_OK;
    if (n < 0) {
        ms_errs_add_at(errs, MS_INVALID, folder, 0, 0, NULL, "is no folder that can be read");
        return MS_INVALID;
    }
    for (int i = 0; i < n; i++) {
        char path[4600];
        snprintf(path, sizeof path, "%s/%s", folder, entry[i]->d_name);
        enum ms_status one = ms_measured_read(m, files, path, errs);
        s = s == MS_OK ? one : s;
        free(entry[i]);
    }
    free(entry);
    return s;
}

void ms_measured_finish(struct ms_measured *m)
{
    free(m->row);
    ms_arena_finish(&m->arena);
    *m = (struct ms_measured){0};
}
