// int_softmax.h: softmax of integers (the algorithm of gatesmith/ops/int_softmax.py).
//
//     m = largest x; e = exp table(m - x); R = floor(2**K / sum of e); y = (e * R + half) >> SHIFT
//
// The exponential is coarse[d >> LOW], with LOW > 0 times fine[d modulo 2**LOW], rounded, 0 behind the
// last entry of coarse.
// C: X, Y, X_W, Y_W, LANES, GROUPS (beats in a vector), VECTORS, D_B (bits of a difference), FRACTION,
//    LOW, COARSE (entries), K, SHIFT, E_B (bits of e), S_B (of their sum), R_B (of R).
#ifndef GS_INT_SOFTMAX_H
#define GS_INT_SOFTMAX_H

#include "types.h"

namespace gs {

template <class C, class T, int NC, int NF>
typename Integers<C::E_B>::u exponential(s64 difference, const T (&coarse)[NC], const T (&fine)[NF]) {
#pragma HLS INLINE
    const s64 place = difference >> C::LOW;
    u64 e = place < C::COARSE ? u64(coarse[place < C::COARSE ? int(place) : 0]) : 0;
    if (C::LOW > 0) {
        const u64 f = u64(fine[int(low_bits(u64(difference), C::LOW))]);
        e = (e * f + (1ULL << (C::FRACTION - 1))) >> C::FRACTION;
    }
    return typename Integers<C::E_B>::u(e);
}

// floor(2**K / divisor), digit by digit.
template <class C>
u64 reciprocal(u64 divisor) {
    u64 rest = 1, quotient = 0;  // the digits of 2**K: a 1 and K zeros
    for (int digit = 0; digit <= C::K; digit++) {
#pragma HLS PIPELINE II=1
        if (digit > 0) rest <<= 1;
        quotient <<= 1;
        if (rest >= divisor) {
            rest -= divisor;
            quotient |= 1;
        }
    }
    return quotient;
}

template <class C, class T, int NC, int NF>
void int_softmax(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m,
                 const T (&coarse)[NC], const T (&fine)[NF]) {
    typedef typename C::X::value_t x_t;
    typedef typename Integers<C::E_B>::u e_t;
    x_t x[C::GROUPS][C::LANES];
#pragma HLS ARRAY_PARTITION variable=x complete dim=2
    e_t e[C::GROUPS][C::LANES];
#pragma HLS ARRAY_PARTITION variable=e complete dim=2

    for (int vector = 0; vector < C::VECTORS; vector++) {
        x_t most = 0;
        for (int group = 0; group < C::GROUPS; group++) {
#pragma HLS PIPELINE II=1
            typename C::X::code_t code[C::LANES];
#pragma HLS ARRAY_PARTITION variable=code complete
            unpack<typename C::X>(s.read(), code);
            for (int l = 0; l < C::LANES; l++) {
#pragma HLS UNROLL
                x[group][l] = code[l];
                if ((group == 0 && l == 0) || x[group][l] > most) most = x[group][l];
            }
        }
        typename Integers<C::S_B>::u total = 0;
        for (int group = 0; group < C::GROUPS; group++) {
#pragma HLS PIPELINE II=1
            for (int l = 0; l < C::LANES; l++) {
#pragma HLS UNROLL
                e[group][l] = exponential<C>(s64(most) - s64(x[group][l]), coarse, fine);
                total += e[group][l];
            }
        }
        const u64 factor = reciprocal<C>(u64(total));
        for (int group = 0; group < C::GROUPS; group++) {
#pragma HLS PIPELINE II=1
            u64 y[C::LANES];
#pragma HLS ARRAY_PARTITION variable=y complete
            for (int l = 0; l < C::LANES; l++) {
#pragma HLS UNROLL
                y[l] = (u64(e[group][l]) * factor + (1ULL << (C::SHIFT - 1))) >> C::SHIFT;
            }
            ap_uint<C::Y_W> out;
            pack<typename C::Y>(y, out);
            m.write(out);
        }
    }
}

}  // namespace gs

#endif
