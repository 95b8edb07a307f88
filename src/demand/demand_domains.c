/* Decides which domains requests have and with which weights: draws of a law, the domains of a trace
 * of counts, a text each of a checkpoint, or those of recorded requests. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/csv.h"
#include "demand/demand_int.h"

static const char *const key = "workload.requests.domains";

/** Names of domains as they are found. */
struct names {
    const char *name[MS_MOST_DOMAINS];
    int n;
};

static int find(const struct names *all, const char *name)
{
    for (int i = 0; i < all->n; i++)
        if (!strcmp(all->name[i], name))
            return i;
    return -1;
}

static enum ms_status too_many(struct ms_err *err, const char *path)
{
    return ms_err_at(err, MS_INVALID, path, 0, 0, key, "more than %d domains", MS_MOST_DOMAINS);
}

/* The place of a name, new ones at the end. */
static enum ms_status note_name(struct ms_demand *d, struct names *all, const char *name,
                                const char *path, int *at, struct ms_err *err)
{
    *at = find(all, name);
    if (*at >= 0)
        return MS_OK;
    if (all->n == MS_MOST_DOMAINS)
        return too_many(err, path);
    const char *copy = ms_arena_strdup(&d->arena, name);
    if (!copy)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    *at = all->n;
    all->name[all->n++] = copy;
    return MS_OK;
}

/* Weights of the domains found: those named, or all alike (by[i] where given).
 * A named domain that is not there is an error with the nearest name. */
static enum ms_status weigh(struct ms_demand *d, const struct names *all, const double *by,
                            struct ms_err *err)
{
    const struct ms_request_params *q = &d->in.workload->requests;
    double sum = 0;
    d->D = all->n;
    d->weight = MS_NEW(&d->arena, double, (size_t)all->n);
    d->domain_name = MS_NEW(&d->arena, const char *, (size_t)all->n);
    if (!d->weight || !d->domain_name)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    memcpy(d->domain_name, all->name, (size_t)all->n * sizeof *d->domain_name);
    for (int i = 0; i < all->n && q->domains.n_named == 0; i++)
        d->weight[i] = by ? by[i] : 1;
    for (int i = 0; i < q->domains.n_named; i++) {
        int at = find(all, q->domains.named[i].name);
        char allowed[512];
        if (at < 0)
            return ms_err_at(err, MS_INVALID, NULL, 0, 0, key, "'%s' is not a domain of it%s",
                             q->domains.named[i].name,
                             ms_allowed(allowed, sizeof allowed, q->domains.named[i].name,
                                        all->name, (size_t)all->n));
        d->weight[at] = q->domains.named[i].weight;
    }
    for (int i = 0; i < all->n; i++)
        sum += d->weight[i];
    if (!(sum > 0))
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, key, "every domain has weight 0");
    for (int i = 0; i < all->n; i++)
        d->weight[i] /= sum;
    return MS_OK;
}

/* ---- a law ---- */

enum ms_status ms_demand_law_domains(struct ms_demand *d, struct ms_err *err)
{
    const struct ms_request_params *q = &d->in.workload->requests;
    if (q->file)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "workload.requests.file",
                         "recorded requests need routing.source: trace, of token ids");
    if (q->domains.n_named > 0 || q->domains.n < 1)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, key,
                         "a law has no domains of its own: give how many draws of it there are, "
                         "such as domains: 6");
    if (q->domains.n > MS_MOST_DOMAINS)
        return too_many(err, NULL);
    d->D = q->domains.n;
    d->weight = MS_NEW(&d->arena, double, (size_t)d->D);
    if (!d->weight)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    for (int i = 0; i < d->D; i++)
        d->weight[i] = 1.0 / d->D;
    return MS_OK;
}

/* ---- counts ---- */

static bool is_domain(const char *column)
{
    return !strcasecmp(column, "domain") || !strcasecmp(column, "dataset");
}

/* A row that the filter takes? */
static bool taken(const struct ms_routing_params *r, const struct ms_csv *c, char *const *header,
                  int n_columns)
{
    for (int i = 0; i < r->n_filter; i++)
        for (int k = 0; k < n_columns && k < c->n_fields; k++)
            if (!strcmp(header[k], r->filter[i].column) && strcmp(c->field[k], r->filter[i].value))
                return false;
    return true;
}

/* Distinct values of the domain column. */
static enum ms_status list_domains(struct ms_demand *d, struct names *all, struct ms_err *err)
{
    const struct ms_routing_params *r = d->in.routing;
    struct ms_csv c = {0};
    char *header[64] = {0};
    int column = -1, at, n_columns = 0;
    enum ms_status s = ms_csv_open(&c, d->in.files, r->trace, err);
    if (s == MS_OK)
        s = ms_csv_next(&c, err);
    for (; s == MS_OK && n_columns < c.n_fields && n_columns < 64; n_columns++) {
        header[n_columns] = ms_arena_strdup(&d->arena, c.field[n_columns]);
        column = header[n_columns] && is_domain(header[n_columns]) ? n_columns : column;
    }
    if (s == MS_OK && column < 0)
        s = ms_err_at(err, MS_INVALID, r->trace, c.line, 0, key,
                      "the trace has no column 'domain': counts of each domain are needed");
    while (s == MS_OK && (s = ms_csv_next(&c, err)) == MS_OK && c.n_fields > 0)
        if (column < c.n_fields && taken(r, &c, header, n_columns))
            s = note_name(d, all, c.field[column], r->trace, &at, err);
    ms_csv_finish(&c);
    return s;
}

/* A domain's counts as frequencies [its layers][E] at f. The first domain says how many layers. */
static enum ms_status take_counts(struct ms_demand *d, int domain, const struct ms_trace *t,
                                  struct ms_err *err)
{
    const char *path = d->in.routing->trace;
    if (t->n_steps > 1 || t->n_ranks > 1)
        return ms_err_at(err, MS_INVALID, path, 0, 0, "workload.requests",
                         "the trace has %s: requests make the batches of ranks and steps "
                         "themselves",
                         t->n_steps > 1 ? "steps" : "ranks");
    if (domain == 0) {
        d->domain_layers = t->n_layers;
        d->domain_f = MS_NEW(&d->arena, double, ms_cell(d->D, t->n_layers, 0) * (size_t)d->E);
        if (!d->domain_f)
            return ms_err_set(err, MS_NOMEM, "out of memory");
    }
    if (t->n_layers != d->domain_layers)
        return ms_err_at(err, MS_INVALID, path, 0, 0, key,
                         "domain %d has counts of %d layers, the first one of %d", domain,
                         t->n_layers, d->domain_layers);
    for (int l = 0; l < t->n_layers; l++) {
        double *f = d->domain_f + ms_cell(domain, t->n_layers, l) * (size_t)d->E, sum = 0;
        ms_trace_layer(t, 0, l, f);
        for (int e = 0; e < d->E; e++)
            sum += f[e];
        for (int e = 0; e < d->E; e++)
            f[e] = fmax(f[e] / sum, 1e-9); /* not seen is not never */
    }
    return MS_OK;
}

static enum ms_status read_counts(struct ms_demand *d, const char *domain, struct ms_trace *t,
                                  struct ms_err *err)
{
    const struct ms_routing_params *r = d->in.routing;
    size_t n = (size_t)r->n_filter;
    struct ms_trace_filter *filter = MS_NEW(&d->arena, struct ms_trace_filter, n + 1);
    if (!filter)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    if (n > 0)
        memcpy(filter, r->filter, n * sizeof *filter);
    filter[n] = (struct ms_trace_filter){"domain", domain};
    struct ms_trace_request q = {.files = d->in.files,
                                 .path = r->trace,
                                 .filter = filter,
                                 .n_filter = (int)n + 1,
                                 .n_experts = d->E,
                                 .top_k = d->K,
                                 .whole = true};
    return ms_trace_read(&q, t, err);
}

enum ms_status ms_demand_trace_domains(struct ms_demand *d, struct ms_err *err)
{
    struct names all = {.n = 0};
    enum ms_status s = list_domains(d, &all, err);
    if (s == MS_OK && all.n == 0)
        s = ms_err_at(err, MS_INVALID, d->in.routing->trace, 0, 0,
                      d->in.routing->n_filter ? "routing.trace_filter" : "routing.trace",
                      d->in.routing->n_filter ? "no row passes the filter" : "has no rows");
    if (s == MS_OK)
        s = weigh(d, &all, NULL, err);
    for (int i = 0; i < d->D && s == MS_OK; i++) {
        struct ms_trace t = {0};
        s = read_counts(d, all.name[i], &t, err);
        if (s == MS_OK)
            s = take_counts(d, i, &t, err);
        ms_trace_finish(&t);
    }
    return s;
}

/* ---- a checkpoint: a text is a domain ---- */

enum ms_status ms_demand_text_domains(struct ms_demand *d, struct ms_err *err)
{
    const struct ms_routing_params *r = d->in.routing;
    struct names all = {.n = 0};
    enum ms_status s = MS_OK;
    for (int i = 0; i < r->n_text && s == MS_OK; i++) {
        const char *slash = strrchr(r->text[i], '/'), *name = slash ? slash + 1 : r->text[i];
        char stem[256];
        int at;
        snprintf(stem, sizeof stem, "%.*s", (int)strcspn(name, "."), name);
        s = note_name(d, &all, find(&all, stem) < 0 ? stem : name, r->checkpoint, &at, err);
    }
    if (s == MS_OK)
        s = weigh(d, &all, NULL, err);
    struct ms_trace_request q = {
        .path = r->checkpoint, .n_experts = d->E, .top_k = d->K, .whole = true};
    for (int i = 0; i < d->D && s == MS_OK; i++) {
        struct ms_trace t = {0};
        struct ms_trace_texts text = {.text = &r->text[i],
                                      .n_text = 1,
                                      .assignment = r->assignment,
                                      .seed = d->in.seed,
                                      .n_threads = d->in.n_threads};
        s = ms_trace_from_checkpoint(&q, &text, &t, err);
        if (s == MS_OK)
            s = take_counts(d, i, &t, err);
        ms_trace_finish(&t);
    }
    return s;
}

/* ---- recorded requests ---- */

/* The file beside a trace of token ids: a row a request in the order of the array, its column domain
 * (if there is one) the domain. */
enum ms_status ms_demand_recorded_domains(struct ms_demand *d, struct ms_err *err)
{
    const char *path = d->in.workload->requests.file;
    int n_requests = d->trace.n_requests, n = 0, column = -1;
    struct names all = {.n = 0};
    struct ms_csv c = {0};
    double *by = MS_NEW(&d->arena, double, MS_MOST_DOMAINS);
    if (!d->trace.ids || n_requests == 0 || d->trace.n_tokens % n_requests != 0)
        return ms_err_at(err, MS_INVALID, NULL, 0, 0, "workload.requests.file",
                         "needs a trace of token ids by request: trace_axes: [requests, tokens, "
                         "layers, k]");
    d->recorded = MS_NEW(&d->arena, int, (size_t)n_requests);
    if (!d->recorded || !by)
        return ms_err_set(err, MS_NOMEM, "out of memory");
    enum ms_status s = ms_csv_open(&c, d->in.files, path, err);
    if (s == MS_OK)
        s = ms_csv_next(&c, err);
    for (int i = 0; s == MS_OK && i < c.n_fields; i++)
        column = is_domain(c.field[i]) ? i : column;
    while (s == MS_OK && (s = ms_csv_next(&c, err)) == MS_OK && c.n_fields > 0) {
        int at = 0;
        const char *name = column >= 0 && column < c.n_fields ? c.field[column] : "all";
        s = note_name(d, &all, name, path, &at, err);
        if (s == MS_OK && n < n_requests) {
            d->recorded[n] = at;
            by[at]++;
        }
        n++;
    }
    ms_csv_finish(&c);
    if (s == MS_OK && n != n_requests)
        return ms_err_at(err, MS_INVALID, path, 0, 0, "workload.requests.file",
                         "%d requests, but the trace has %d", n, n_requests);
    return s == MS_OK ? weigh(d, &all, by, err) : s;
}
