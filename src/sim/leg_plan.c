/* How a plan is built, in any order: what is kept of a flow, and which columns have to be written down
 * because they do not follow from its ends. */
#include "sim/leg_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/leg_parts.h"

uint32_t ms_leg_capacity(uint32_t cap, size_t n)
{
    size_t next = cap > 64 ? cap : 64;
    while (next < n)
        next *= 2;
    return next > UINT32_MAX - 1 ? UINT32_MAX - 1 : (uint32_t)next;
}

/* Memory for a column of as many flows as there is memory for. */
static void hold_column(struct ms_leg *leg, enum ms_leg_column c)
{
    if (leg->column_cap[c] >= leg->flow_cap)
        return;
    MS_LEG_GROW(leg, column[c], leg->flow_cap);
    if (!leg->failed)
        leg->column_cap[c] = leg->flow_cap;
}

static void reserve_flows(struct ms_leg *leg, size_t n, bool exact)
{
    if (n <= leg->flow_cap || leg->failed)
        return;
    if (n >= UINT32_MAX) {
        leg->failed = true;
        return;
    }
    uint32_t cap = exact ? (uint32_t)n : ms_leg_capacity(leg->flow_cap, n);
    MS_LEG_GROW(leg, src, cap);
    MS_LEG_GROW(leg, dst, cap);
    MS_LEG_GROW(leg, bytes, cap);
    if (!leg->failed)
        leg->flow_cap = cap;
    for (enum ms_leg_column c = 0; c < MS_LEG_COLUMNS && !leg->failed; c++)
        if (leg->written[c])
            hold_column(leg, c);
}

/* Memory to note whose slots the joins free. */
static void hold_slots(struct ms_leg *leg)
{
    if (leg->slot_cap >= leg->join_cap || leg->failed)
        return;
    MS_LEG_GROW(leg, send_slot, leg->join_cap);
    MS_LEG_GROW(leg, take_slot, leg->join_cap);
    if (!leg->failed)
        leg->slot_cap = leg->join_cap;
}

static void reserve_joins(struct ms_leg *leg, size_t n)
{
    if (n <= leg->join_cap || leg->failed)
        return;
    uint32_t cap = ms_leg_capacity(leg->join_cap, n);
    MS_LEG_GROW(leg, need, cap);
    MS_LEG_GROW(leg, ends, cap);
    if (!leg->failed)
        leg->join_cap = cap;
    if (leg->window)
        hold_slots(leg);
}

static void reserve_edges(struct ms_leg *leg, size_t n)
{
    if (n <= leg->edge_cap || leg->failed)
        return;
    uint32_t cap = ms_leg_capacity(leg->edge_cap, n);
    MS_LEG_GROW(leg, edge_from, cap);
    MS_LEG_GROW(leg, edge_to, cap);
    MS_LEG_GROW(leg, edge_delay_s, cap);
    if (!leg->failed)
        leg->edge_cap = cap;
}

/* Nobody starts before all have entered: one join for the meeting, one a rank behind it. */
static void add_meeting(struct ms_leg *leg)
{
    uint32_t met = ms_leg_join(leg);
    leg->first_start = met + 1;
    for (int r = 0; r < leg->n_ranks; r++)
        ms_leg_edge(leg, ms_leg_entry(r), met, 0);
    for (int r = 0; r < leg->n_ranks; r++)
        ms_leg_edge(leg, met, ms_leg_join(leg), 0);
}

/* A rank starts when it has entered and its sends of the leg before are out, which somebody else
 * tells, as he does when it is clear. */
static void add_queueing(struct ms_leg *leg)
{
    uint32_t n = (uint32_t)leg->n_ranks, first = leg->n_joins;
    for (uint32_t i = 0; i < 3 * n; i++)
        ms_leg_join(leg);
    leg->first_sent = leg->first_heard = first;
    leg->first_start = first + n;
    leg->first_clear = first + 2 * n;
    for (int r = 0; r < leg->n_ranks && !leg->failed; r++) {
        uint32_t sent = leg->first_sent + (uint32_t)r;
        leg->need[ms_leg_start(leg, r)] = leg->need[ms_leg_clear(leg, r)] = 1;
        ms_leg_edge(leg, ms_leg_entry(r), ms_leg_start(leg, r), 0);
        ms_leg_edge(leg, ms_leg_start(leg, r), sent, 0);
        if (leg->both)
            ms_leg_edge(leg, sent, ms_leg_complete(leg, r), 0);
    }
}

void ms_leg_init(struct ms_leg *leg, int n_ranks, bool group, bool both, bool queued)
{
    leg->n_ranks = n_ranks;
    leg->both = both;
    leg->n_flows = leg->n_joins = leg->n_edges = leg->n_queued = 0;
    leg->n_streams = leg->n_parts = leg->n_meets = 0;
    leg->first_start = 0;
    leg->first_sent = leg->first_clear = leg->meets_at = MS_LEG_NONE;
    leg->first_heard = both ? (uint32_t)n_ranks : MS_LEG_NONE;
    memset(leg->written, 0, sizeof leg->written);
    leg->hops = leg->has_work = leg->part_ends = false;
    leg->chunk_bytes = 0;
    leg->n_phases = 1;
    leg->mistakes = 0;
    leg->window = 0;
    leg->failed = false;
    if ((uint32_t)n_ranks + 1 > leg->rank_cap) {
        MS_LEG_GROW(leg, delivered, n_ranks + 1);
        MS_LEG_GROW(leg, queue_first, 2 * n_ranks + 1);
        if (!leg->failed)
            leg->rank_cap = (uint32_t)n_ranks + 1;
    }
    if (leg->failed)
        return;
    memset(leg->delivered, 0, ((size_t)n_ranks + 1) * sizeof *leg->delivered);
    for (int i = 0; i < 2 * n_ranks; i++)
        ms_leg_join(leg);
    for (int r = 0; r < n_ranks && !leg->failed; r++)
        leg->need[r] = 1; /* the entry itself */
    if (group)
        add_meeting(leg);
    if (queued)
        add_queueing(leg);
    for (int r = 0; r < n_ranks && !leg->failed; r++)
        ms_leg_edge(leg, ms_leg_start(leg, r), ms_leg_complete(leg, r), 0);
}

void ms_leg_finish(struct ms_leg *leg)
{
    if (!leg)
        return;
    void *all[] = {leg->src,         leg->dst,         leg->bytes,      leg->stream_part,
                   leg->stream_kind, leg->stream_work, leg->part_rank,  leg->part_bytes,
                   leg->part_end,    leg->need,        leg->ends,       leg->gate_first,
                   leg->meet_first,  leg->by_meet,     leg->edge_first, leg->edge_from,
                   leg->edge_to,     leg->queue,       leg->queue_of,   leg->edge_delay_s,
                   leg->queue_first, leg->send_slot,   leg->take_slot,  leg->delivered};
    for (int c = 0; c < MS_LEG_COLUMNS; c++)
        free(leg->column[c]);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    memset(leg, 0, sizeof *leg);
}

void ms_leg_reserve(struct ms_leg *leg, size_t n_flows, size_t n_joins, size_t n_edges)
{
    reserve_flows(leg, n_flows, true);
    reserve_joins(leg, n_joins);
    reserve_edges(leg, n_edges);
}

uint32_t ms_leg_join(struct ms_leg *leg)
{
    reserve_joins(leg, (size_t)leg->n_joins + 1);
    if (leg->failed)
        return 0;
    uint32_t j = leg->n_joins++;
    leg->need[j] = leg->ends[j] = 0;
    if (leg->window)
        leg->send_slot[j] = leg->take_slot[j] = 0;
    return j;
}

void ms_leg_edge(struct ms_leg *leg, uint32_t from, uint32_t to, double delay_s)
{
    reserve_edges(leg, (size_t)leg->n_edges + 1);
    if (leg->failed)
        return;
    uint32_t e = leg->n_edges++;
    leg->edge_from[e] = from;
    leg->edge_to[e] = to;
    leg->edge_delay_s[e] = delay_s;
    leg->need[to]++;
}

/* Join j is told of one more end. */
static void count_end(struct ms_leg *leg, uint32_t j)
{
    if (j != MS_LEG_NONE && !leg->ends[j]++)
        leg->need[j]++;
}

/* From now on the column is written down: so far it followed. */
static void write_column(struct ms_leg *leg, enum ms_leg_column c)
{
    hold_column(leg, c);
    for (uint32_t f = 0; f < leg->n_flows && !leg->failed; f++)
        leg->column[c][f] = ms_leg_follows(leg, c, leg->src[f], leg->dst[f]);
    leg->written[c] = !leg->failed;
}

static inline void put(struct ms_leg *leg, enum ms_leg_column c, const struct ms_leg_flow *f,
                       uint32_t value)
{
    uint32_t follows = ms_leg_follows(leg, c, (uint32_t)f->src, (uint32_t)f->dst);
    if (!leg->written[c] && value != follows)
        write_column(leg, c);
    if (leg->written[c])
        leg->column[c][leg->n_flows] = value;
}

/* The first hop of a plan tells where all of them meet, unless one does not. */
static void guess_meeting(struct ms_leg *leg, const struct ms_leg_flow *f)
{
    leg->hops = true;
    uint32_t start = ms_leg_start(leg, f->dst), clear = ms_leg_clear(leg, f->dst);
    leg->meets_at = f->meet == MS_LEG_NONE ? MS_LEG_NONE
                    : f->meet == start     ? leg->first_start
                    : f->meet == clear     ? leg->first_clear
                                           : MS_LEG_NONE;
}

static inline bool possible(const struct ms_leg_flow *f)
{
    return f->src != f->dst && f->bytes > 0 && isfinite(f->bytes);
}

static void add_flow(struct ms_leg *leg, const struct ms_leg_flow *f, uint32_t stream)
{
    uint32_t k = leg->n_flows, sent = f->passed_on ? MS_LEG_NONE : ms_leg_sender(leg, f->src);
    reserve_flows(leg, (size_t)k + 1, false);
    if (leg->failed)
        return;
    if (!leg->hops && f->dst >= 0)
        guess_meeting(leg, f);
    put(leg, MS_LEG_GATE, f, f->gate);
    put(leg, MS_LEG_MEET, f, f->meet);
    put(leg, MS_LEG_END, f, f->end);
    put(leg, MS_LEG_SENT, f, sent);
    put(leg, MS_LEG_MESSAGES, f, f->messages);
    put(leg, MS_LEG_STREAM, f, stream);
    put(leg, MS_LEG_PHASE, f, leg->n_phases - 1);
    if (leg->failed)
        return;
    leg->src[k] = (uint32_t)f->src;
    leg->dst[k] = (uint32_t)f->dst;
    leg->bytes[k] = f->bytes;
    leg->n_flows++;
    leg->n_meets += f->meet != MS_LEG_NONE;
    leg->mistakes += !possible(f);
    count_end(leg, f->end);
    count_end(leg, sent);
}

void ms_leg_add(struct ms_leg *leg, const struct ms_leg_flow *f)
{
    add_flow(leg, f, 0);
    if (!leg->failed)
        leg->delivered[f->dst] += f->delivered;
}

static void reserve_streams(struct ms_leg *leg)
{
    if (leg->n_streams < leg->stream_cap || leg->failed)
        return;
    uint32_t cap = ms_leg_capacity(leg->stream_cap, (size_t)leg->n_streams + 1);
    MS_LEG_GROW(leg, stream_part, cap);
    MS_LEG_GROW(leg, stream_kind, cap);
    if (!leg->failed)
        leg->stream_cap = cap;
}

static void reserve_work(struct ms_leg *leg)
{
    if (leg->work_cap >= leg->stream_cap || leg->failed)
        return;
    MS_LEG_GROW(leg, stream_work, 2 * (size_t)leg->stream_cap);
    if (!leg->failed)
        leg->work_cap = leg->stream_cap;
}

void ms_leg_add_stream(struct ms_leg *leg, enum ms_stream kind, const struct ms_leg_flow *main,
                       double chunk_bytes)
{
    reserve_streams(leg);
    if (leg->has_work)
        reserve_work(leg);
    if (!leg->failed)
        add_flow(leg, main, leg->n_streams + 1);
    if (leg->failed)
        return;
    uint32_t i = leg->n_streams++;
    leg->stream_part[i] = leg->n_parts;
    leg->stream_kind[i] = (uint8_t)kind;
    if (leg->has_work)
        leg->stream_work[2 * (size_t)i] = leg->stream_work[2 * (size_t)i + 1] = 0;
    if (kind == MS_STREAM_LOCAL)
        return;
    leg->chunk_bytes = chunk_bytes;
    leg->delivered[main->dst] += main->delivered;
}

void ms_leg_stream_work(struct ms_leg *leg, double owner_s, double forwarder_s)
{
    if (leg->failed || !leg->n_streams)
        return;
    reserve_work(leg);
    if (leg->failed)
        return;
    size_t i = leg->n_streams - 1;
    if (!leg->has_work)
        memset(leg->stream_work, 0, 2 * i * sizeof *leg->stream_work);
    leg->has_work = true;
    leg->stream_work[2 * i] = owner_s;
    leg->stream_work[2 * i + 1] = forwarder_s;
}

static void reserve_parts(struct ms_leg *leg)
{
    if (leg->n_parts < leg->part_cap || leg->failed)
        return;
    uint32_t cap = ms_leg_capacity(leg->part_cap, (size_t)leg->n_parts + 1);
    MS_LEG_GROW(leg, part_rank, cap);
    MS_LEG_GROW(leg, part_bytes, cap);
    if (!leg->failed)
        leg->part_cap = cap;
}

/* Who is told of a part's end, where that is somebody else than the frame would tell. */
static void put_part_end(struct ms_leg *leg, uint32_t part, uint32_t end, uint32_t follows)
{
    if (!leg->part_ends && end == follows)
        return;
    if (leg->part_end_cap < leg->part_cap) {
        MS_LEG_GROW(leg, part_end, leg->part_cap);
        if (leg->failed)
            return;
        leg->part_end_cap = leg->part_cap;
    }
    struct ms_leg_stream s = {.kind = MS_STREAM_IN};
    for (uint32_t i = 0, k = 0; !leg->part_ends && i < part; i++) {
        for (; k < leg->n_streams && leg->stream_part[k] <= i; k++)
            s.kind = (enum ms_stream)leg->stream_kind[k];
        leg->part_end[i] =
            s.kind == MS_STREAM_IN ? MS_LEG_NONE : ms_leg_complete(leg, (int)leg->part_rank[i]);
    }
    leg->part_ends = true;
    leg->part_end[part] = end;
}

void ms_leg_add_part(struct ms_leg *leg, int src, int dst, double bytes, double delivered,
                     uint32_t end)
{
    reserve_parts(leg);
    if (leg->failed)
        return;
    bool in = leg->stream_kind[leg->n_streams - 1] == MS_STREAM_IN;
    uint32_t part = leg->n_parts;
    put_part_end(leg, part, end, in ? MS_LEG_NONE : ms_leg_complete(leg, dst));
    if (leg->failed)
        return;
    leg->n_parts++;
    leg->part_rank[part] = (uint32_t)(in ? src : dst);
    leg->part_bytes[part] = bytes;
    leg->delivered[dst] += delivered;
    leg->mistakes += !(src != dst && bytes > 0 && isfinite(bytes));
    count_end(leg, end);
    if (in)
        count_end(leg, ms_leg_sender(leg, src));
}

void ms_leg_phase(struct ms_leg *leg, uint32_t phase)
{
    leg->n_phases = phase + 1;
}

void ms_leg_window(struct ms_leg *leg, uint32_t slots)
{
    leg->window = slots;
    hold_slots(leg);
    if (leg->failed)
        return;
    memset(leg->send_slot, 0, (size_t)leg->n_joins * sizeof *leg->send_slot);
    memset(leg->take_slot, 0, (size_t)leg->n_joins * sizeof *leg->take_slot);
}

static void add_to_queue(struct ms_leg *leg, uint32_t queue, uint32_t start)
{
    if (leg->n_queued == leg->queue_cap && !leg->failed) {
        uint32_t cap = ms_leg_capacity(leg->queue_cap, (size_t)leg->n_queued + 1);
        MS_LEG_GROW(leg, queue, cap);
        MS_LEG_GROW(leg, queue_of, cap);
        if (!leg->failed)
            leg->queue_cap = cap;
    }
    if (leg->failed)
        return;
    leg->queue[leg->n_queued] = start;
    leg->queue_of[leg->n_queued++] = queue;
    leg->need[start]++;
}

void ms_leg_queue_send(struct ms_leg *leg, int rank, uint32_t start, uint32_t done)
{
    add_to_queue(leg, (uint32_t)rank, start);
    if (!leg->failed)
        leg->send_slot[done] = (uint32_t)rank + 1;
}

void ms_leg_queue_take(struct ms_leg *leg, int rank, uint32_t start, uint32_t done)
{
    add_to_queue(leg, (uint32_t)(leg->n_ranks + rank), start);
    if (!leg->failed)
        leg->take_slot[done] = (uint32_t)rank + 1;
}
