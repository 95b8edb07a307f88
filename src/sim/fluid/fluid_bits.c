/* Flows over two links as a matrix of bits, links x links, where most pairs of links have a flow:
 * freezing a link is one masked subtraction over neighbouring links instead of a walk over a list,
 * and a flow that ends clears two bits. Several flows between the same two links stand in one plane
 * each, so the planes are a count in unary. */
#include <stdlib.h>
#include <string.h>

#include "base/huge.h"
#include "sim/fluid/fluid_comp.h"

enum {
    MAX_PLANES = 6,
    FLOWS_A_WORD = 3, /* a word of bits costs about as much as three entries of a list */
};

static uint64_t *row(const struct ms_fluid_comp *c, const struct ms_fluid_bucket *b, uint32_t plane,
                     uint32_t l)
{
    return b->bits + ((size_t)plane * c->m + l) * b->words;
}

static void widen(struct ms_fluid_bucket *b, uint32_t l, uint32_t o)
{
    b->lo[l] = o / 64 < b->lo[l] ? o / 64 : b->lo[l];
    b->hi[l] = o / 64 + 1 > b->hi[l] ? o / 64 + 1 : b->hi[l];
}

static bool add_plane(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b)
{
    size_t words = (size_t)c->m * b->words;
    if (b->planes == MAX_PLANES)
        return false;
    uint64_t *bits = ms_huge_realloc(b->bits, (b->planes + 1) * words * sizeof *bits);
    if (!bits)
        return false;
    memset(bits + b->planes * words, 0, words * sizeof *bits);
    b->bits = bits;
    b->planes++;
    return true;
}

bool ms_fluid_bits_add(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b, uint32_t l,
                       uint32_t o)
{
    uint32_t p = 0;
    while (p < b->planes && row(c, b, p, l)[o / 64] >> (o % 64) & 1)
        p++;
    if (p == b->planes && !add_plane(c, b))
        return false;
    row(c, b, p, l)[o / 64] |= (uint64_t)1 << (o % 64);
    row(c, b, p, o)[l / 64] |= (uint64_t)1 << (l % 64);
    widen(b, l, o);
    widen(b, o, l);
    return true;
}

void ms_fluid_bits_remove(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b, uint32_t l,
                          uint32_t o)
{
    uint32_t p = b->planes - 1;
    while (!(row(c, b, p, l)[o / 64] >> (o % 64) & 1))
        p--;
    row(c, b, p, l)[o / 64] &= ~((uint64_t)1 << (o % 64));
    row(c, b, p, o)[l / 64] &= ~((uint64_t)1 << (l % 64));
}

/* Words a solve would read, one plane. */
static size_t span_words(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b)
{
    size_t sum = 0;
    for (uint32_t l = 0; l < c->m; l++) {
        b->lo[l] = b->words;
        b->hi[l] = 0;
    }
    for (uint32_t i = 0; i < b->n; i++) {
        widen(b, b->link[0][i], b->link[1][i]);
        widen(b, b->link[1][i], b->link[0][i]);
    }
    for (uint32_t l = 0; l < c->m; l++)
        sum += b->hi[l] > b->lo[l] ? b->hi[l] - b->lo[l] : 0;
    return sum;
}

bool ms_fluid_bits_make(const struct ms_fluid_comp *c, struct ms_fluid_bucket *b)
{
    bool grows = b->dense && !b->stale;
    if (span_words(c, b) * (b->dense ? b->planes : 1) * FLOWS_A_WORD > b->n)
        return false;
    if (!grows) {
        free(b->bits);
        b->bits = NULL;
        b->planes = 0;
    }
    for (uint32_t i = grows ? b->listed : 0; i < b->n; i++) {
        if (!ms_fluid_bits_add(c, b, b->link[0][i], b->link[1][i]))
            return false;
    }
    return b->n > 0;
}
