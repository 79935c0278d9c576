// dense_unrolled.h: a matrix-vector product with weights that are wires, a vector a cycle.
//
// Every element of rom becomes a constant, every product a few adders or nothing.
// C: as in dense.h, PE all outputs and SIMD all inputs.
#ifndef GS_DENSE_UNROLLED_H
#define GS_DENSE_UNROLLED_H

#include "dense.h"
#include "requantize.h"

namespace gs {

// The sums of a vector.
template <class C, class T, int R, int K, class S>
void dense_unrolled_sums(const ap_uint<C::X_W>& beat, const T (&rom)[R][K], S (&sums)[C::PE]) {
#pragma HLS INLINE
    typedef typename CodeType<C::W_SIGNED, C::W_B>::t weight_t;
    typename Operand<C>::t x[C::SIMD];
#pragma HLS ARRAY_PARTITION variable=x complete
    operands<C>(beat, x);
    for (int p = 0; p < C::PE; p++) {
#pragma HLS UNROLL
        weight_t w[C::SIMD];
#pragma HLS ARRAY_PARTITION variable=w complete
        fetch<C::W_B, C::W_SIGNED>(rom[p], w);
        S sum = 0;
        for (int i = 0; i < C::SIMD; i++) {
#pragma HLS UNROLL
            sum += Term<C::KIND, S>::of(x[i], w[i]);
        }
        sums[p] = sum;
    }
}

template <class C, class T, int R, int K>
void dense_unrolled(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m,
                    const T (&rom)[R][K]) {
#pragma HLS ARRAY_PARTITION variable=rom complete dim=0
    for (int vector = 0; vector < C::VECTORS; vector++) {
#pragma HLS PIPELINE II=1
        typename Accumulator<C::ACC, C::REACH>::t sums[C::PE];
#pragma HLS ARRAY_PARTITION variable=sums complete
        dense_unrolled_sums<C>(s.read(), rom, sums);
        ap_uint<C::Y_W> out;
        pack<typename C::Y>(sums, out);
        m.write(out);
    }
}

// Of each sum only whether its code reaches a limit, or where falls is 1 whether it does not.
// C: also S (Elem of a sum; Y is that of an answer), T_B and T_SIGNED (a limit).
template <class C, class T, int R, int K, class U, int KU, class F, int KF>
void dense_unrolled_threshold(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m,
                              const T (&rom)[R][K], const U (&limits)[1][KU],
                              const F (&falls)[1][KF]) {
#pragma HLS ARRAY_PARTITION variable=rom complete dim=0
#pragma HLS ARRAY_PARTITION variable=limits complete dim=0
#pragma HLS ARRAY_PARTITION variable=falls complete dim=0
    typename Integers<C::T_B + 1>::s limit[C::PE];
#pragma HLS ARRAY_PARTITION variable=limit complete
    ap_uint<1> fall[C::PE];
#pragma HLS ARRAY_PARTITION variable=fall complete
    fetch<C::T_B, C::T_SIGNED>(limits[0], limit);
    fetch<1, false>(falls[0], fall);
    for (int vector = 0; vector < C::VECTORS; vector++) {
#pragma HLS PIPELINE II=1
        typename Accumulator<C::ACC, C::REACH>::t sums[C::PE];
#pragma HLS ARRAY_PARTITION variable=sums complete
        ap_uint<1> y[C::PE];
#pragma HLS ARRAY_PARTITION variable=y complete
        dense_unrolled_sums<C>(s.read(), rom, sums);
        for (int p = 0; p < C::PE; p++) {
#pragma HLS UNROLL
            const s64 code = extended(u64(s64(sums[p])), C::S::BITS, C::S::SIGNED);
            y[p] = (code >= s64(limit[p])) != (fall[p] != 0);
        }
        ap_uint<C::Y_W> out;
        pack<typename C::Y>(y, out);
        m.write(out);
    }
}

// Each sum times MUL plus a number, shifted and clamped as in requantize.h.
// C: also P_B (bits of that), ADD_B, MUL, SHIFT, EVEN, LO, HI; Y is the type of the result.
template <class C, class T, int R, int K, class A, int KA>
void dense_unrolled_requantize(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m,
                               const T (&rom)[R][K], const A (&adds)[1][KA]) {
#pragma HLS ARRAY_PARTITION variable=rom complete dim=0
#pragma HLS ARRAY_PARTITION variable=adds complete dim=0
    typedef typename Integers<C::P_B>::s total_t;
    total_t add[C::PE];
#pragma HLS ARRAY_PARTITION variable=add complete
    fetch<C::ADD_B, true>(adds[0], add);
    for (int vector = 0; vector < C::VECTORS; vector++) {
#pragma HLS PIPELINE II=1
        typename Accumulator<C::ACC, C::REACH>::t sums[C::PE];
#pragma HLS ARRAY_PARTITION variable=sums complete
        total_t y[C::PE];
#pragma HLS ARRAY_PARTITION variable=y complete
        dense_unrolled_sums<C>(s.read(), rom, sums);
        for (int p = 0; p < C::PE; p++) {
#pragma HLS UNROLL
            const total_t total = total_t(sums[p]) * total_t(C::MUL) + add[p];
            y[p] = clamped(shifted<C::SHIFT, C::EVEN>(total), C::LO, C::HI);
        }
        ap_uint<C::Y_W> out;
        pack<typename C::Y>(y, out);
        m.write(out);
    }
}

}  // namespace gs

#endif
