/* What is said of causes: sentences that name the thing and what it takes without it, as text and as
 * JSON. */
#include <math.h>
#include <string.h>

#include "advise/explain.h"
#include "base/json.h"

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static double number_of(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static void say_load(const struct ms_explained_cause *c, const char *where, char *text, size_t size)
{
    int at = snprintf(text, size, "%s of rank %d", where, (int)number_of(c->told, "rank"));
    if (*text_of(c->told, "link"))
        at += snprintf(text + at, size - (size_t)at, " (link %s)", text_of(c->told, "link"));
    if (number_of(c->told, "hot_rank") == number_of(c->told, "rank") &&
        json_object_get(c->told, "rank_load_over_mean"))
        at +=
            snprintf(text + at, size - (size_t)at,
                     ": in layer %d rank %d computes %.2f times the mean, most of it expert %d",
                     (int)number_of(c->told, "layer"), (int)number_of(c->told, "hot_rank"),
                     number_of(c->told, "rank_load_over_mean"), (int)number_of(c->told, "expert"));
    else
        return;
    if (*text_of(c->told, "domain") && at < (int)size)
        snprintf(text + at, size - (size_t)at, ", %.0f %% of whose tokens are of domain %s",
                 100 * number_of(c->told, "domain_share"), text_of(c->told, "domain"));
}

void ms_explain_words(const struct ms_explained *e, const struct ms_explained_cause *c, char *text,
                      size_t size)
{
    const char *cause = text_of(c->told, "cause"), *link = text_of(c->told, "link");
    int rank = (int)number_of(c->told, "rank");
    (void)e;
    if (c->link && c->factor > 1)
        snprintf(text, size, "link %s: it runs at %.3g GB/s, the others of its kind at %.3g GB/s",
                 link, number_of(c->told, "link_Bps") / 1e9, number_of(c->told, "usual_Bps") / 1e9);
    else if (c->link && json_object_get(c->told, "cable"))
        snprintf(text, size, "cable %s#%d, of %d: a fault leaves it %.3g of its rate", link,
                 (int)number_of(c->told, "cable"), (int)number_of(c->told, "of_cables"),
                 number_of(c->told, "left"));
    else if (c->link)
        snprintf(text, size, "link %s: a fault leaves it %.3g of its rate", link,
                 number_of(c->told, "left"));
    else if (strcmp(cause, "endpoint_in") == 0)
        say_load(c, "the incoming port", text, size);
    else if (strcmp(cause, "endpoint_out") == 0)
        say_load(c, "the outgoing port", text, size);
    else if (strcmp(cause, "node") == 0)
        snprintf(text, size, "links within or into one node, most of all %s", link);
    else if (strcmp(cause, "fabric") == 0)
        snprintf(text, size, "links of the fabric, most of all %s", link);
    else if (strcmp(cause, "collision") == 0)
        snprintf(text, size, "messages hashed to the same cable, most of all of link %s", link);
    else if (strcmp(cause, "background") == 0)
        snprintf(text, size, "other tenants' flows, most of all on link %s", link);
    else if (strcmp(cause, "latency") == 0)
        snprintf(text, size, "the routes' latency");
    else if (strcmp(cause, "alpha") == 0)
        snprintf(text, size, "start-up and fixed costs of dispatch and combine");
    else if (strcmp(cause, "message_rate") == 0)
        snprintf(text, size, "the message rate of rank %d's port", rank);
    else if (strcmp(cause, "sms") == 0)
        snprintf(text, size, "the GPUs' own communication rates");
    else if (strcmp(cause, "compute") == 0)
        snprintf(text, size, "computing that every rank does");
    else if (strcmp(cause, "wait_compute") == 0)
        snprintf(text, size, "waiting for rank %d, which has more tokens to compute", rank);
    else if (strcmp(cause, "wait_straggler") == 0)
        snprintf(text, size, "waiting for rank %d, a straggler: it computes slower than the others",
                 rank);
    else if (strcmp(cause, "wait_weights") == 0)
        snprintf(text, size, "waiting for rank %d, whose new experts' weights were on the way",
                 rank);
    else if (strcmp(cause, "wait_jitter") == 0)
        snprintf(text, size, "waiting for rank %d, held up by jitter", rank);
    else
        snprintf(text, size, "waiting for rank %d, which its last exchange kept", rank);
}

static const char *without(const struct ms_explained_cause *c)
{
    switch (c->cure) {
    case MS_CURE_EVEN:
        return "even loads";
    case MS_CURE_LINK:
        return "the link as its kind";
    case MS_CURE_STRAGGLERS:
        return "no stragglers";
    case MS_CURE_JITTER:
        return "no jitter";
    case MS_CURE_START_UP:
        return "no start-up";
    case MS_CURE_MESSAGES:
        return "messages for nothing";
    case MS_CURE_SPRAY:
        return "packets sprayed over the cables";
    case MS_CURE_STAY:
        return "the first placement kept";
    case MS_CURE_BACKGROUND:
        return "no other tenants";
    case MS_CURE_COMPUTE:
        return "computing for nothing";
    default:
        return "";
    }
}

static void say_case(const struct ms_explained *e, FILE *out)
{
    const json_t *cause = json_object_get(e->base.record, "cause");
    const json_t *slow = json_object_get(cause, "slowest"), *first = json_array_get(slow, 0);
    char text[400];
    fprintf(out, "%s %s: the slowest %zu %ss take %.1f us and more, p99 is %.1f us\n", e->id,
            e->axes, json_array_size(slow), e->metric,
            number_of(json_array_get(slow, json_array_size(slow) - 1), "time_us"), e->p99_us);
    fprintf(
        out,
        "  slowest: %.1f us in repeat %d, step %d, layer %d, rank %d last; ranks entered within "
        "%.1f us\n",
        number_of(first, "time_us"), (int)number_of(first, "repeat"), (int)number_of(first, "step"),
        (int)number_of(first, "layer"), (int)number_of(first, "last_rank"),
        number_of(first, "entry_skew_us"));
    fprintf(out, "  port bound of their bytes: %.1f us; no schedule is shorter\n",
            number_of(cause, "bound_us"));
    for (size_t i = 0; i < e->n; i++) {
        const struct ms_explained_cause *c = &e->cause[i];
        if (number_of(c->told, "share") < 0.005)
            continue;
        ms_explain_words(e, c, text, sizeof text);
        fprintf(out, "  %5.1f %%  %-14s  %s", 100 * number_of(c->told, "share"),
                text_of(c->told, "cause"), text);
        if (isfinite(c->without_us))
            fprintf(out, "\n           with %s p99 is %.1f us%s", without(c), c->without_us,
                    c->trial == SIZE_MAX ? " (the balanced twin)" : " (simulated)");
        fputs("\n", out);
    }
    if (isfinite(e->spare_us))
        fprintf(out, "  with %d spare experts placed by past loads p99 is %.1f us (simulated)\n",
                e->spare_experts, e->spare_us);
    const json_t *v = json_object_get(e->base.record, "variance");
    fprintf(out,
            "  variance of the times: %.0f %% between layers, %.0f %% between batches, %.0f %% "
            "within\n",
            100 * number_of(v, "layer"), 100 * number_of(v, "batch"), 100 * number_of(v, "within"));
}

void ms_explain_text(const struct ms_explained *e, size_t n, FILE *out)
{
    for (size_t i = 0; i < n; i++) {
        if (!e[i].base.record)
            fprintf(out, "%s %s: not simulated: %s\n", e[i].id, e[i].axes, e[i].base.error);
        else if (!json_object_get(e[i].base.record, "cause"))
            fprintf(out, "%s %s: exchanges are not told apart here\n", e[i].id, e[i].axes);
        else
            say_case(&e[i], out);
    }
}

static void copy_json(struct ms_json *j, const char *key, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY);
    ms_json_raw(j, key, text ? text : "null");
    free(text);
}

static void add_case(struct ms_json *j, const struct ms_explained *e)
{
    const json_t *cause = json_object_get(e->base.record, "cause");
    char text[400];
    ms_json_object(j, NULL);
    ms_json_string(j, "case", e->id);
    ms_json_raw(j, "axes", e->axes);
    if (!cause) {
        ms_json_string(j, "error", *e->base.error ? e->base.error : "exchanges are not told apart");
        ms_json_end_object(j);
        return;
    }
    snprintf(text, sizeof text, "%s.p99_us", e->metric);
    ms_json_string(j, "metric", text);
    ms_json_number(j, "metric_us", e->p99_us);
    copy_json(j, "slowest", json_object_get(cause, "slowest"));
    ms_json_array(j, "causes");
    for (size_t i = 0; i < e->n; i++) {
        const struct ms_explained_cause *c = &e->cause[i];
        ms_explain_words(e, c, text, sizeof text);
        ms_json_object(j, NULL);
        ms_json_string(j, "cause", text_of(c->told, "cause"));
        ms_json_number(j, "share", number_of(c->told, "share"));
        ms_json_string(j, "what", text);
        ms_json_number(j, "without_us", c->without_us);
        if (*without(c) && isfinite(c->without_us))
            ms_json_string(j, "without", without(c));
        if (*text_of(c->told, "link"))
            ms_json_string(j, "link", text_of(c->told, "link"));
        if (json_object_get(c->told, "rank"))
            ms_json_integer(j, "rank", (int64_t)number_of(c->told, "rank"));
        ms_json_end_object(j);
    }
    ms_json_end_array(j);
    if (isfinite(e->spare_us)) {
        ms_json_object(j, "with_spare_experts");
        ms_json_integer(j, "redundant_experts", e->spare_experts);
        ms_json_number(j, "metric_us", e->spare_us);
        ms_json_end_object(j);
    }
    copy_json(j, "variance", json_object_get(e->base.record, "variance"));
    ms_json_number(j, "bound_us", number_of(cause, "bound_us"));
    ms_json_end_object(j);
}

void ms_explain_json(const struct ms_explained *e, size_t n, struct ms_buf *out)
{
    struct ms_json j = {.out = out};
    ms_json_object(&j, NULL);
    ms_json_array(&j, "cases");
    for (size_t i = 0; i < n; i++)
        add_case(&j, &e[i]);
    ms_json_end_array(&j);
    ms_json_end_object(&j);
    ms_buf_adds(out, "\n");
}
