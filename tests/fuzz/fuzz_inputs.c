/* Fuzz targets: what a user writes or brings: scenarios, --set, platforms, hardware profiles,
 * placement maps, descriptions of fabrics. */
#include <stdio.h>
#include <string.h>

#include "cluster/platform.h"
#include "fuzz.h"
#include "hardware/hardware.h"
#include "hardware/measured.h"
#include "import/import.h"
#include "place/place_map.h"
#include "scenario/scenario.h"
#include "sweep/plan.h"

static void use_study(const struct ms_study *st)
{
    for (size_t i = 0; i < st->n_cases && i < 8; i++) {
        struct ms_case c = {0};
        struct ms_buf b = {0};
        fuzz_must(ms_study_case(st, i, &c, NULL) == MS_OK);
        ms_scenario_echo(&c.s, &b, NULL);
        ms_buf_finish(&b);
        ms_case_finish(&c);
    }
}

static void study(const char *text, size_t n, const char *const *sets, size_t n_sets)
{
    struct ms_errs errs = {0};
    struct ms_study st = {0};
    enum ms_status s = ms_study_parse(&st, "fuzz.yaml", text, n, sets, n_sets, &errs);
    fuzz_told_all(s, &errs);
    if (s == MS_OK)
        use_study(&st);
    struct ms_plan plan = {0};
    struct ms_inputs inputs = {0};
    if (st.n_cases < 50)
        ms_plan_make(&plan, &st, MS_USE_ANY, false, &inputs, &errs);
    ms_plan_finish(&plan);
    ms_inputs_finish(&inputs);
    ms_errs_finish(&errs);
    ms_study_finish(&st);
}

static void scenario(const char *data, size_t n)
{
    study(data, n, NULL, 0);
}

/* The parts are one --set each. */
static void set(const char *data, size_t n)
{
    static const char base[] =
        "name: a\nmodel: {preset: mixtral-8x7b}\nworkload: {ranks: 8, tokens_per_rank: 64, layers: "
        "1}\nplatform: none.xml\nsweep:\n  seed: [1, 2]\n  exchange.algorithm: [direct, ring]\n";
    struct fuzz_part part[FUZZ_PARTS];
    const char *sets[FUZZ_PARTS];
    int k = fuzz_cut(data, n, FUZZ_PARTS, part);
    for (int i = 0; i < k; i++)
        sets[i] = part[i].p;
    study(base, sizeof base - 1, sets, (size_t)k);
}

/* The file, and after a NUL a profile that it may name (trace.txt). */
static void platform(const char *data, size_t n)
{
    struct fuzz_part part[2];
    int k = fuzz_cut(data, n, 2, part);
    struct ms_platform p = {0};
    struct ms_platform_cost cost;
    struct ms_errs errs = {0};
    struct ms_err err = {0};
    if (k > 1)
        fuzz_file("trace.txt", part[1].p, part[1].n);
    enum ms_status s = ms_platform_read(fuzz_file("p.xml", part[0].p, part[0].n), &p, &errs);
    fuzz_told_all(s, &errs);
    if (s == MS_OK && p.n_hosts < 500) {
        ms_platform_cost(&p, &cost, &err);
        for (int i = 0; i < p.n_links && i < 50; i++) {
            char kind[64];
            ms_platform_link_kind(p.link[i].name, kind, sizeof kind);
        }
    }
    ms_platform_finish(&p);
    ms_errs_finish(&errs);
}

static void hardware(const char *data, size_t n)
{
    struct ms_arena arena = {0};
    struct ms_files files = {0};
    struct ms_hardware h = {0};
    struct ms_errs errs = {0};
    fuzz_told_all(ms_hardware_read(&files, fuzz_file("h.yaml", data, n), NULL, &arena, &h, &errs),
                  &errs);
    ms_errs_finish(&errs);
    ms_files_finish(&files);
    ms_arena_finish(&arena);
}

/* A measured file, and after a NUL the recorded traffic of the family `fuzz`. */
static void measured(const char *data, size_t n)
{
    struct fuzz_part part[2];
    int k = fuzz_cut(data, n, 2, part);
    struct ms_measured m = {0};
    struct ms_errs errs = {0};
    fuzz_file("traffic/fuzz.csv", k > 1 ? part[1].p : "", k > 1 ? part[1].n : 0);
    enum ms_status s = ms_measured_read(&m, NULL, fuzz_file("m.csv", part[0].p, part[0].n), &errs);
    fuzz_told_all(s, &errs);
    for (size_t i = 0; s == MS_OK && i < m.n; i++)
        ms_measured_copy_bytes(&m.row[i], MS_LEG_DISPATCH);
    ms_measured_finish(&m);
    ms_errs_finish(&errs);
}

static void map(const char *data, size_t n)
{
    struct ms_place_map m = {0};
    struct ms_err err = {0};
    enum ms_status s = ms_place_map_read(fuzz_file("map.json", data, n), &m, &err);
    fuzz_told(s, &err);
    ms_place_map_is(data, n);
    for (int moe = 1; s == MS_OK && moe < 64; moe *= 3)
        for (int i = 0; i < moe; i++)
            ms_place_map_layer(&m, moe, i);
    for (const struct ms_place_map_writer *w = ms_place_map_writers; s == MS_OK && w->name; w++) {
        struct ms_buf out = {0};
        struct ms_err told = {0};
        fuzz_told(w->write(&m, &out, &told), &told);
        ms_buf_finish(&out);
    }
    ms_place_map_finish(&m);
}

/* One file, or after a NUL a second one that is joined with it. What was written is a platform. */
static void import(const char *data, size_t n)
{
    struct fuzz_part part[2];
    const char *path[2];
    int k = fuzz_cut(data, n, 2, part);
    for (int i = 0; i < k; i++)
        path[i] = fuzz_file(i ? "fabric2" : "fabric1", part[i].p, part[i].n);
    struct ms_import_options o;
    struct ms_buf xml = {0}, report = {0};
    struct ms_errs errs = {0}, more = {0};
    ms_import_defaults(&o);
    o.link_rate_Bps = 50e9;
    enum ms_status s =
        ms_import(path, (size_t)k, &o, "moesim platform import", &xml, &report, &errs);
    fuzz_told_all(s, &errs);
    if (s == MS_OK) {
        struct ms_platform p = {0};
        fuzz_told_all(ms_platform_read(fuzz_file("made.xml", xml.p, xml.n), &p, &more), &more);
        ms_platform_finish(&p);
    }
    ms_errs_finish(&more);
    ms_errs_finish(&errs);
    ms_buf_finish(&xml);
    ms_buf_finish(&report);
}

static void set_seeds(const char *folder)
{
    static const char *const seed[] = {
        "repeats=3",
        "routing.popularity={law: zipf, exponent: 1.5}",
        "sweep={seed: [1, 2, 3]}",
        "platform=a.xml\0exchange.algorithm=ring",
        "workload.tokens_per_rank=[1, 2, 3]",
        "sweep.pair={zip: {workload.steps: [1, 2], routing.drift: [0, 1]}}"};
    static const size_t n[] = {9, 45, 24, 38, 34, 65};
    for (size_t i = 0; i < sizeof n / sizeof *n; i++) {
        char name[512];
        snprintf(name, sizeof name, "%s%zu", folder, i);
        ms_file_write(name, seed[i], n[i], NULL);
    }
}

const struct fuzz_target fuzz_inputs[] = {
    {"scenario", scenario, "scenarios/*.yaml tests/data/bad/scenarios/*.yaml tests/data/run/*.yaml",
     NULL},
    {"set", set, "", set_seeds},
    {"platform", platform,
     "tests/data/platforms/*.xml tests/data/platforms/foreign/*.xml tests/data/bad/platforms/*.xml "
     "tests/data/run/*.xml",
     NULL},
    {"hardware", hardware, "platforms/hardware/*.yaml tests/data/bad/profiles/*.yaml", NULL},
    {"measured", measured,
     "platforms/hardware/measured/nccl_multi.csv platforms/hardware/measured/deepep_*_h800.csv "
     "tests/fuzz/seeds/measured-*",
     NULL},
    {"map", map, "tests/fuzz/seeds/map-*", NULL},
    {"ibnetdiscover", import, "tests/data/import/small.ib tests/data/import/small.ports", NULL},
    {"nccl", import, "tests/data/import/node.xml", NULL},
    {"slurm", import, "tests/data/import/tree.conf tests/data/import/topologies.yaml", NULL},
    {"simai", import, "tests/data/import/small.simai", NULL},
    {0}};
