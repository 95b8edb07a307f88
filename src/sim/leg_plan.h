/** @file leg_plan.h  The plan of one leg (a dispatch or a combine): which flows, and what each
 *  waits for.
 *
 *  A plan is a graph of *flows* and *joins*. A flow moves bytes from one rank to another over one
 *  route (one physical hop), or is a stream (below). A join is a moment: it fires when everything
 *  it needs has happened, at the latest time among them. A flow starts when its `gate` join has
 *  fired, and its `meet` join if it has one (plus its route's latency, which the transport adds);
 *  it counts down its `end` join when its last byte has arrived, and its `sent` join when its
 *  source is done with it. An edge fires one join a fixed delay after another. So every algorithm is
 *  data:
 *
 *      join r          rank r has entered the leg (after its start-up time), 0 <= r < G
 *      join G + r      the leg is over for rank r
 *      start of r      rank r may send: its entry or, where the group meets, everybody's
 *      clear of r      rank r is through with the leg before, where flows to it queue behind that
 *      sent of r       rank r's own sends are over, where those of the leg after queue behind that
 *      join ...        whatever the algorithm needs between them
 *
 *  Streams: bytes that another GPU passes on. The *main* hop crosses from src to dst; *parts* are
 *  the hops beside it, of their own ends and bytes. MS_STREAM_OUT: parts pass on what main brought,
 *  a chunk behind; MS_STREAM_IN: main passes on what the parts brought; MS_STREAM_LOCAL: parts
 *  only, side by side. Main's end hears when main's last byte is there, a part's end when the
 *  whole stream is over.
 *
 *  Windows: a rank has a queue of joins for what it sends and one for what it takes; its start
 *  releases the first `window` of each, and each time a join that holds one of a queue's slots
 *  fires, the next. The plan knows no clock, no link and no SimGrid; exec.h runs it.
 *
 *  Ranks are those of one expert-parallel group, 0..G-1. Bytes are payload on the wire of that
 *  hop; seconds. */
#ifndef MS_SIM_LEG_PLAN_H
#define MS_SIM_LEG_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/** No join. */
#define MS_LEG_NONE UINT32_MAX

enum ms_stream { MS_STREAM_OUT, MS_STREAM_IN, MS_STREAM_LOCAL };

/** One hop, as an algorithm states it. */
struct ms_leg_flow {
    uint32_t gate, meet; /**< what it waits for; meet may be MS_LEG_NONE */
    uint32_t end;        /**< counts it; MS_LEG_NONE for a stream whose main is for nobody */
    int src, dst;        /**< src != dst; LOCAL streams have no dst: -1 */
    double bytes;        /**< > 0 */
    uint32_t messages;   /**< messages it stands for (message gap) */
    double delivered;    /**< of its bytes are for dst itself (0: all are forwarded) */
    bool passed_on;      /**< src adds nothing of its own: it is none of its sends */
};

/** A hop beside the main one of a stream. */
struct ms_leg_part {
    uint32_t src, dst, end; /**< end MS_LEG_NONE: for nobody */
    double bytes;
};

struct ms_leg_stream {
    enum ms_stream kind;
    uint32_t flow; /**< its main hop */
    uint32_t first_part, n_parts;
    double chunk_bytes; /**< of main's bytes */
    /** channel time of the rank whose tokens they are, and of the one that passes them on (of a
     *  LOCAL stream both are its src); 0: none */
    double owner_s, forwarder_s;
};

/** What else there is to a flow than its ends and its bytes. Nearly always it follows from them, and is
 *  not kept: the gate is src's start, the end counts for dst, who hears of the sending is src, the meeting
 *  is all flows' own (meets_at), it is one message, a plain flow, of phase 0. A column is written down for
 *  all flows as soon as it does not follow for one. */
enum ms_leg_column {
    MS_LEG_GATE,
    MS_LEG_MEET,
    MS_LEG_END,
    MS_LEG_SENT,
    MS_LEG_MESSAGES,
    MS_LEG_STREAM, /**< 1 + number of its stream; 0: a plain flow */
    MS_LEG_PHASE,
    MS_LEG_COLUMNS
};

/** Build: init, then joins, flows, edges, queues in any order, then close. A plan may be reset
 *  and built again: its memory is kept. Out of memory while building is remembered and told by
 *  close. */
struct ms_leg {
    int n_ranks;
    bool both; /**< a rank's leg is over when its own sends are, too */
    uint32_t n_flows, n_joins, n_edges, n_queued, n_streams, n_parts, n_meets;
    uint32_t first_start; /**< join first_start + r: rank r may send */
    uint32_t first_heard; /**< join first_heard + r hears of r's own sends; or MS_LEG_NONE */
    /** plans that queue: joins first_sent + r, first_clear + r; else MS_LEG_NONE */
    uint32_t first_sent, first_clear;

    /* flows: after close in the order of their gates. Read what is not here by ms_leg_gate … */
    uint32_t *src, *dst;              /**< [n_flows] dst MS_LEG_NONE of a LOCAL stream */
    double *bytes;                    /**< [n_flows] > 0 */
    uint32_t *column[MS_LEG_COLUMNS]; /**< [n_flows] where written */
    bool written[MS_LEG_COLUMNS];
    uint32_t meets_at; /**< where a flow meets: the join of rank 0, dst after it; or MS_LEG_NONE */
    bool hops;         /**< it has some, so meets_at is known */
    uint32_t n_phases; /**< 1 + the greatest phase of a flow */

    /* streams and their parts: read by ms_leg_stream_of, ms_leg_part_of */
    uint32_t *stream_part; /**< [n_streams] its first part */
    uint8_t *stream_kind;  /**< [n_streams] enum ms_stream */
    double *stream_work;   /**< [n_streams][owner, forwarder] where has_work */
    bool has_work;
    double chunk_bytes;  /**< of all streams that pass on */
    uint32_t *part_rank; /**< [n_parts] the end that is not main's */
    double *part_bytes;  /**< [n_parts] */
    uint32_t *part_end;  /**< [n_parts] where part_ends: else what is brought counts for its rank */
    bool part_ends;

    /* joins; valid after close */
    uint32_t *need; /**< [n_joins] edges in + entry or queue slot + 1 where flows end in it */
    uint32_t *ends; /**< [n_joins] times it is told of an end: flows, parts, and sends */
    /** [n_joins + 1] flows of gate j: gate_first[j] .. gate_first[j + 1] - 1, all of one src */
    uint32_t *gate_first;
    uint32_t *meet_first;          /**< [n_joins + 1] into by_meet; where n_meets > 0 */
    uint32_t *by_meet;             /**< [n_meets] flows by their meet */
    uint32_t *edge_first;          /**< [n_joins + 1] */
    uint32_t *edge_from, *edge_to; /**< [n_edges], after close in the order of edge_from */
    double *edge_delay_s;          /**< [n_edges] >= 0 */

    /* windows */
    uint32_t window;       /**< slots a queue; 0 = no queues */
    uint32_t *queue;       /**< [n_queued] joins, after close queue by queue in the order added */
    uint32_t *queue_of;    /**< [n_queued] r: what rank r sends; G + r: what it takes */
    uint32_t *queue_first; /**< [2G + 1] */
    /** [n_joins] 1 + the rank of whose sends, of whose receives, it frees a slot when it fires; 0 =
     *  none; where window > 0 */
    uint32_t *send_slot, *take_slot;

    /** [G] bytes for each rank itself, as the algorithm states them (for the conservation check) */
    double *delivered;

    uint32_t flow_cap, join_cap, edge_cap, queue_cap, stream_cap, part_cap, meet_cap;
    uint32_t column_cap[MS_LEG_COLUMNS], work_cap, part_end_cap, slot_cap;
    uint32_t index_cap, rank_cap; /**< sizes of the arrays made by close */
    uint32_t mistakes;            /**< flows and parts that cannot be */
    bool failed;
};

/** Start an empty plan with joins 0..2G-1. The plan may hold an older one.
 *  @param group nobody starts before everybody has entered
 *  @param both a leg is over for a rank when its own sends are done, too
 *  @param queued data queue behind the leg before: a rank's sends behind its own sends, and what
 *  goes to a rank (flows that meet at ms_leg_clear) behind all that it waits for */
void ms_leg_init(struct ms_leg *leg, int n_ranks, bool group, bool both, bool queued);
void ms_leg_finish(struct ms_leg *leg);
/** Take memory at once for plans that know their size. */
void ms_leg_reserve(struct ms_leg *leg, size_t n_flows, size_t n_joins, size_t n_edges);

static inline uint32_t ms_leg_entry(int rank)
{
    return (uint32_t)rank;
}
static inline uint32_t ms_leg_complete(const struct ms_leg *leg, int rank)
{
    return (uint32_t)(leg->n_ranks + rank);
}
/** Rank may send. */
static inline uint32_t ms_leg_start(const struct ms_leg *leg, int rank)
{
    return leg->first_start + (uint32_t)rank;
}
/** The join of a rank, of those one after another: MS_LEG_NONE without them, or for nobody. */
static inline uint32_t ms_leg_join_of(uint32_t first, uint32_t rank)
{
    return first == MS_LEG_NONE || rank == MS_LEG_NONE ? MS_LEG_NONE : first + rank;
}
/** What hears of a rank's own sends: MS_LEG_NONE where nothing does. */
static inline uint32_t ms_leg_sender(const struct ms_leg *leg, int rank)
{
    return ms_leg_join_of(leg->first_heard, (uint32_t)rank);
}
/** Rank has all that it waits for of the leg before; MS_LEG_NONE in a plan that does not queue. */
static inline uint32_t ms_leg_clear(const struct ms_leg *leg, int rank)
{
    return ms_leg_join_of(leg->first_clear, (uint32_t)rank);
}

/** A new join that fires when everything added to it later has happened. */
uint32_t ms_leg_join(struct ms_leg *leg);
/** to fires at the earliest delay_s after from. */
void ms_leg_edge(struct ms_leg *leg, uint32_t from, uint32_t to, double delay_s);
/** A flow. */
void ms_leg_add(struct ms_leg *leg, const struct ms_leg_flow *f);
/** A stream: its main hop (of a LOCAL one: src and all its bytes), then its parts one by one; each
 *  part's `delivered` bytes are for its dst. */
void ms_leg_add_stream(struct ms_leg *leg, enum ms_stream kind, const struct ms_leg_flow *main,
                       double chunk_bytes);
/** What the channels of its ranks take for the stream added last. */
void ms_leg_stream_work(struct ms_leg *leg, double owner_s, double forwarder_s);
void ms_leg_add_part(struct ms_leg *leg, int src, int dst, double bytes, double delivered,
                     uint32_t end);
/** Flows added from now on are of this phase: those of one phase are under way together, and the
 *  quantum follows the least time a phase can take. */
void ms_leg_phase(struct ms_leg *leg, uint32_t phase);
/** Let queues have so many slots, >= 1: before the first join is queued. */
void ms_leg_window(struct ms_leg *leg, uint32_t slots);
/** Queue join `start` on the window of what rank sends, or takes; when `done` fires, the slot is
 *  free again. A join may be `done` of one of each. */
void ms_leg_queue_send(struct ms_leg *leg, int rank, uint32_t start, uint32_t done);
void ms_leg_queue_take(struct ms_leg *leg, int rank, uint32_t start, uint32_t done);

/** What a column of a flow between src and dst is where it is not written. */
static inline uint32_t ms_leg_follows(const struct ms_leg *leg, enum ms_leg_column c, uint32_t src,
                                      uint32_t dst)
{
    switch (c) {
    case MS_LEG_GATE:
        return leg->first_start + src;
    case MS_LEG_MEET:
        return ms_leg_join_of(leg->meets_at, dst);
    case MS_LEG_END:
        return ms_leg_join_of((uint32_t)leg->n_ranks, dst);
    case MS_LEG_SENT:
        return ms_leg_join_of(leg->first_heard, src);
    case MS_LEG_MESSAGES:
        return 1;
    default:
        return 0;
    }
}
static inline uint32_t ms_leg_read(const struct ms_leg *leg, enum ms_leg_column c, uint32_t f)
{
    return leg->written[c] ? leg->column[c][f] : ms_leg_follows(leg, c, leg->src[f], leg->dst[f]);
}
/** The join that starts a flow; the one it meets at, that counts it, that counts its sending, or
 *  MS_LEG_NONE; the messages it stands for (message gap); the generation it belongs to. */
static inline uint32_t ms_leg_gate(const struct ms_leg *leg, uint32_t f)
{
    return ms_leg_read(leg, MS_LEG_GATE, f);
}
static inline uint32_t ms_leg_meet(const struct ms_leg *leg, uint32_t f)
{
    return ms_leg_read(leg, MS_LEG_MEET, f);
}
static inline uint32_t ms_leg_end(const struct ms_leg *leg, uint32_t f)
{
    return ms_leg_read(leg, MS_LEG_END, f);
}
static inline uint32_t ms_leg_sent(const struct ms_leg *leg, uint32_t f)
{
    return ms_leg_read(leg, MS_LEG_SENT, f);
}
static inline uint32_t ms_leg_messages(const struct ms_leg *leg, uint32_t f)
{
    return ms_leg_read(leg, MS_LEG_MESSAGES, f);
}
static inline uint32_t ms_leg_phase_of(const struct ms_leg *leg, uint32_t f)
{
    return ms_leg_read(leg, MS_LEG_PHASE, f);
}
/** Does the flow have a hop of its own (not a LOCAL stream)? */
static inline bool ms_leg_has_main(const struct ms_leg *leg, uint32_t f)
{
    return leg->dst[f] != MS_LEG_NONE;
}
/** @return is the flow a stream? If not, *s has no parts. */
static inline bool ms_leg_stream_of(const struct ms_leg *leg, uint32_t f, struct ms_leg_stream *s)
{
    uint32_t i = ms_leg_read(leg, MS_LEG_STREAM, f);
    *s = (struct ms_leg_stream){.flow = f};
    if (!i--)
        return false;
    uint32_t last = i + 1 < leg->n_streams ? leg->stream_part[i + 1] : leg->n_parts;
    s->kind = (enum ms_stream)leg->stream_kind[i];
    s->first_part = leg->stream_part[i];
    s->n_parts = last - s->first_part;
    s->chunk_bytes = s->kind == MS_STREAM_LOCAL ? 0 : leg->chunk_bytes;
    s->owner_s = leg->has_work ? leg->stream_work[2 * (size_t)i] : 0;
    s->forwarder_s = leg->has_work ? leg->stream_work[2 * (size_t)i + 1] : 0;
    return true;
}
/** Part i of a stream, 0 <= i < n_parts. */
static inline struct ms_leg_part ms_leg_part_of(const struct ms_leg *leg,
                                                const struct ms_leg_stream *s, uint32_t i)
{
    uint32_t at = s->first_part + i, rank = leg->part_rank[at], flow = s->flow;
    uint32_t src = s->kind == MS_STREAM_OUT ? leg->dst[flow] : leg->src[flow];
    struct ms_leg_part p = {src, rank, (uint32_t)leg->n_ranks + rank, leg->part_bytes[at]};
    if (s->kind == MS_STREAM_IN)
        p = (struct ms_leg_part){rank, src, MS_LEG_NONE, leg->part_bytes[at]};
    if (leg->part_ends)
        p.end = leg->part_end[at];
    return p;
}

/** Sort by gate, count, index. @return MS_OK; MS_NOMEM; MS_INTERNAL for a flow or edge that
 *  cannot be (an algorithm's mistake: a self-send, bytes that are not positive and finite, a
 *  join that nothing fires) */
enum ms_status ms_leg_close(struct ms_leg *leg, struct ms_err *err);

#endif
