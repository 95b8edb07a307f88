/* Writes a checkpoint of OLMoE's shape, as large as is asked for: bf16 weights that look like a
 * trained model's in size, none of them learned. Usage: make_checkpoint FOLDER LAYERS */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { C = 2048, F = 1024, E = 64, K = 8, V = 256, HEADS = 16, BLOCK = 1 << 20 };

struct writer {
    FILE *head, *data;
    size_t at;
    uint16_t *block; /* [BLOCK] of bf16 */
    unsigned turn;
};

static void make_block(uint16_t *block)
{
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i < BLOCK; i++) {
        double sum = 0;
        for (int k = 0; k < 4; k++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            sum += (double)(x >> 11) / 9007199254740992.0 - 0.5;
        }
        float v = (float)(sum * 0.035);
        uint32_t bits;
        memcpy(&bits, &v, sizeof bits);
        block[i] = (uint16_t)(bits >> 16);
    }
}

/* ones: a norm's weights */
static void put(struct writer *w, const char *name, size_t rows, size_t columns, int ones)
{
    size_t n = rows * (columns ? columns : 1);
    fprintf(w->head, "%s\"%s\":{\"dtype\":\"BF16\",\"shape\":[%zu", w->at ? "," : "", name, rows);
    if (columns)
        fprintf(w->head, ",%zu", columns);
    fprintf(w->head, "],\"data_offsets\":[%zu,%zu]}", w->at, w->at + 2 * n);
    w->at += 2 * n;
    for (size_t left = n; left > 0;) {
        size_t from = (size_t)(w->turn++ * 7919) % (BLOCK / 2),
               m = left < BLOCK / 2 ? left : BLOCK / 2;
        uint16_t one = 0x3f80;
        for (size_t i = 0; ones && i < m; i++)
            fwrite(&one, 2, 1, w->data);
        if (!ones)
            fwrite(w->block + from, 2, m, w->data);
        left -= m;
    }
}

static void put_layer(struct writer *w, int l)
{
    static const char *const square[] = {"q_proj", "k_proj", "v_proj", "o_proj"};
    char name[128];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "model.layers.%d.self_attn.%s.weight", l, square[i]);
        put(w, name, C, C, 0);
    }
    static const char *const norms[] = {"input_layernorm", "post_attention_layernorm",
                                        "self_attn.q_norm", "self_attn.k_norm"};
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "model.layers.%d.%s.weight", l, norms[i]);
        put(w, name, C, 0, 1);
    }
    snprintf(name, sizeof name, "model.layers.%d.mlp.gate.weight", l);
    put(w, name, E, C, 0);
    for (int e = 0; e < E; e++)
        for (int k = 0; k < 3; k++) {
            static const char *const parts[] = {"gate_proj", "up_proj", "down_proj"};
            snprintf(name, sizeof name, "model.layers.%d.mlp.experts.%d.%s.weight", l, e, parts[k]);
            put(w, name, k == 2 ? C : F, k == 2 ? F : C, 0);
        }
}

int main(int argc, char **argv)
{
    char path[4096];
    char *text = NULL;
    size_t n_text = 0;
    if (argc != 3)
        return 2;
    int layers = atoi(argv[2]);
    mkdir(argv[1], 0777);
    snprintf(path, sizeof path, "%s/config.json", argv[1]);
    FILE *f = fopen(path, "w");
    if (!f)
        return 1;
    fprintf(
        f,
        "{\"model_type\":\"olmoe\",\"hidden_size\":%d,\"intermediate_size\":%d,\"vocab_size\":%d,"
        "\"num_hidden_layers\":%d,\"num_attention_heads\":%d,\"num_key_value_heads\":%d,"
        "\"num_experts\":%d,\"num_experts_per_tok\":%d,\"max_position_embeddings\":4096,"
        "\"rms_norm_eps\":1e-05,\"rope_theta\":10000.0,\"hidden_act\":\"silu\","
        "\"tie_word_embeddings\":false,\"norm_topk_prob\":false}\n",
        C, F, V, layers, HEADS, HEADS, E, K);
    fclose(f);
    /* the header's length decides where data start: it is made once for its length, then again */
    struct writer w = {.head = open_memstream(&text, &n_text), .data = fopen("/dev/null", "w")};
    w.block = malloc(BLOCK * sizeof *w.block);
    if (!w.head || !w.data || !w.block)
        return 1;
    make_block(w.block);
    for (int pass = 0; pass < 2; pass++) {
        w.at = w.turn = 0;
        fputc('{', w.head);
        put(&w, "model.embed_tokens.weight", V, C, 0);
        for (int l = 0; l < layers; l++)
            put_layer(&w, l);
        put(&w, "model.norm.weight", C, 0, 1);
        put(&w, "lm_head.weight", V, C, 0);
        fputc('}', w.head);
        fclose(w.head);
        if (fclose(w.data) != 0)
            return 1;
        if (pass == 1)
            break;
        snprintf(path, sizeof path, "%s/model.safetensors", argv[1]);
        w.data = fopen(path, "wb");
        uint64_t n = n_text;
        if (!w.data || fwrite(&n, 8, 1, w.data) != 1 || fwrite(text, 1, n_text, w.data) != n_text)
            return 1;
        free(text);
        w.head = open_memstream(&text, &n_text);
    }
    free(text);
    free(w.block);
    return 0;
}
