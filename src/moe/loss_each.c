/* Losses that are a function of each layer's mean router probability P alone: the mean over
 * tokens, and the way of its gradient back to the logits. */
#include "moe/loss_each.h"

double ms_loss_each_layer(struct ms_loss_state *s, double weight,
                          double (*value)(const double *P, int n, double *gradient,
                                          double *scratch))
{
    int L = s->problem->L, E = s->problem->E;
    double sum = 0, *gradient = s->scratch;
    for (int l = 0; l < L; l++) {
        size_t row = (size_t)l * (size_t)E;
        sum += value(s->mean + row, E, gradient, s->scratch + E);
        for (int e = 0; e < E; e++)
            s->dmean[row + (size_t)e] += weight * gradient[e] / L;
    }
    return sum / L;
}

/* The part's share of choices of expert e: f, summing to 1; and its mean probability. */
static void part_means(const struct ms_loss_state *s, int l, int part, int parts, int e, double *f,
                       double *P)
{
    const struct ms_loss_problem *p = s->problem;
    int n = p->S / parts;
    *f = *P = 0;
    for (int i = part * n; i < (part + 1) * n; i++) {
        size_t at = ((size_t)l * (size_t)p->S + (size_t)i) * (size_t)p->E + (size_t)e;
        *f += s->C[at];
        *P += s->P[at] / n;
    }
    *f /= (double)p->K * p->T / parts;
}

static void add_part_gradient(struct ms_loss_state *s, int l, int part, int parts, int e, double dP)
{
    int S = s->problem->S, n = S / parts;
    for (int i = part * n; i < (part + 1) * n; i++)
        s->dP[((size_t)l * (size_t)S + (size_t)i) * (size_t)s->problem->E + (size_t)e] += dP / n;
}

static double switch_layers(struct ms_loss_state *s, double weight, int parts)
{
    int L = s->problem->L, E = s->problem->E;
    double sum = 0;
    for (int l = 0; l < L; l++) {
        for (int part = 0; part < parts; part++) {
            for (int e = 0; e < E; e++) {
                double f, P;
                part_means(s, l, part, parts, e, &f, &P);
                sum += E * f * P / ((double)L * parts);
                add_part_gradient(s, l, part, parts, e, weight * E * f / ((double)L * parts));
            }
        }
    }
    return sum;
}

/* Hugging Face: f and P are means over the tokens of all layers together, f not divided by k. */
static double switch_hf(struct ms_loss_state *s, double weight, int parts)
{
    int L = s->problem->L, E = s->problem->E, K = s->problem->K;
    double sum = 0;
    for (int part = 0; part < parts; part++) {
        for (int e = 0; e < E; e++) {
            double f = 0, P = 0;
            for (int l = 0; l < L; l++) {
                double fl, Pl;
                part_means(s, l, part, parts, e, &fl, &Pl);
                f += fl * K / L;
                P += Pl / L;
            }
            sum += E * f * P / parts;
            for (int l = 0; l < L; l++)
                add_part_gradient(s, l, part, parts, e, weight * E * f / ((double)L * parts));
        }
    }
    return sum;
}

double ms_loss_switch_parts(struct ms_loss_state *s, double weight, int parts)
{
    return s->problem->normalise == MS_NORMALISE_HF ? switch_hf(s, weight, parts)
                                                    : switch_layers(s, weight, parts);
}

double ms_loss_cv_squared_of(const double *v, int n, double *gradient)
{
    double mean = 0, variance = 0;
    for (int i = 0; i < n; i++)
        mean += v[i] / n;
    for (int i = 0; i < n; i++)
        variance += (v[i] - mean) * (v[i] - mean) / n;
    for (int i = 0; i < n; i++)
        gradient[i] = mean > 0 ? 2 * (v[i] - mean - variance / mean) / (n * mean * mean) : 0;
    return mean > 0 ? variance / (mean * mean) : 0;
}
