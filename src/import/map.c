/* The growing arrays of a cluster's map, and the three lists of sentences that are printed about
 * it. */
#include "import/map.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void *more(struct ms_map *m, void *array, int n, int *cap, size_t size)
{
    if (n < *cap)
        return array;
    int wider = *cap ? 2 * *cap : 64;
    void *p = realloc(array, (size_t)wider * size);
    if (!p) {
        m->failed = true;
        return array;
    }
    *cap = wider;
    return p;
}

static const char *copy(struct ms_map *m, const char *text)
{
    const char *s = ms_arena_strdup(&m->arena, text ? text : "");
    m->failed |= !s;
    return s ? s : "";
}

int ms_map_add_nic(struct ms_map *m, const char *id, const char *name, int node)
{
    m->nic = more(m, m->nic, m->n_nics, &m->cap_nics, sizeof *m->nic);
    if (m->failed)
        return 0;
    m->nic[m->n_nics] = (struct ms_map_nic){
        .id = copy(m, id), .name = copy(m, name), .node = node, .described = true};
    return m->n_nics++;
}

void ms_map_nic_guid(struct ms_map *m, int nic, uint64_t guid)
{
    for (int k = 0; guid && !m->failed && k < MS_NIC_GUIDS; k++) {
        uint64_t *g = &m->nic[nic].guid[k];
        if (*g && *g != guid)
            continue;
        *g = guid;
        return;
    }
}

int ms_map_add_switch(struct ms_map *m, const char *id, const char *name)
{
    m->sw = more(m, m->sw, m->n_switches, &m->cap_switches, sizeof *m->sw);
    if (m->failed)
        return 0;
    m->sw[m->n_switches] = (struct ms_map_switch){copy(m, id), copy(m, name), true, 0};
    return m->n_switches++;
}

void ms_map_add_cable(struct ms_map *m, int a, int b, double rate_Bps, double latency_s)
{
    m->cable = more(m, m->cable, m->n_cables, &m->cap_cables, sizeof *m->cable);
    if (!m->failed)
        m->cable[m->n_cables++] = (struct ms_map_cable){a, b, rate_Bps, latency_s};
}

int ms_map_add_gpu(struct ms_map *m, int node, int index)
{
    m->gpu = more(m, m->gpu, m->n_gpus, &m->cap_gpus, sizeof *m->gpu);
    if (m->failed)
        return 0;
    m->gpu[m->n_gpus] = (struct ms_map_gpu){
        .node = node, .index = index, .first_nic = m->n_nic_of_gpu, .domain = -1};
    return m->n_gpus++;
}

void ms_map_gpu_nic(struct ms_map *m, int nic)
{
    m->nic_of_gpu = more(m, m->nic_of_gpu, m->n_nic_of_gpu, &m->cap_nic_of_gpu, sizeof(int));
    if (m->failed)
        return;
    m->nic_of_gpu[m->n_nic_of_gpu++] = nic;
    m->gpu[m->n_gpus - 1].n_nics++;
}

int ms_map_node(struct ms_map *m, const char *name)
{
    int n = (int)ms_strings_add(&m->nodes, name);
    m->failed |= m->nodes.failed;
    return n;
}

static void add_line(struct ms_map *m, struct ms_buf *to, const char *fmt, va_list ap)
{
    char text[1024];
    vsnprintf(text, sizeof text, fmt, ap);
    ms_buf_adds(to, text);
    ms_buf_adds(to, "\n");
    m->failed |= to->failed;
}

void ms_map_fact(struct ms_map *m, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_line(m, &m->facts, fmt, ap);
    va_end(ap);
}

void ms_map_assume(struct ms_map *m, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_line(m, &m->assumed, fmt, ap);
    va_end(ap);
}

void ms_map_note(struct ms_map *m, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_line(m, &m->odd, fmt, ap);
    va_end(ap);
}

void ms_map_finish(struct ms_map *m)
{
    if (!m)
        return;
    ms_strings_finish(&m->nodes);
    free(m->nic);
    free(m->sw);
    free(m->cable);
    free(m->gpu);
    free(m->nic_of_gpu);
    ms_buf_finish(&m->facts);
    ms_buf_finish(&m->assumed);
    ms_buf_finish(&m->odd);
    ms_arena_finish(&m->arena);
    *m = (struct ms_map){0};
}
