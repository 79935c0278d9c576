// product.h: the products of two streams, element by element.
//
// C: A, B, Y, A_W, B_W, Y_W, LANES, BEATS, KIND: one of the below, P_B (bits of operands and product).
#ifndef GS_PRODUCT_H
#define GS_PRODUCT_H

#include "types.h"

namespace gs {

enum ProductKind {
    BOTH_SIGNS,  // 1 where both bits are equal
    A_SIGN,      // a is +1 or -1
    B_SIGN,
    NUMBERS,
};

template <class C>
typename Integers<C::P_B>::s product_of(typename C::A::code_t a, typename C::B::code_t b) {
#pragma HLS INLINE
    typedef typename Integers<C::P_B>::s p_t;
    if (C::KIND == BOTH_SIGNS) return p_t(u64(a) == u64(b));
    const p_t x = p_t(C::A::value(a)), y = p_t(C::B::value(b));
    if (C::KIND == A_SIGN) return a != 0 ? y : p_t(-y);
    if (C::KIND == B_SIGN) return b != 0 ? x : p_t(-x);
    return p_t(x * y);
}

template <class C>
void product(hls::stream<ap_uint<C::A_W> >& s0, hls::stream<ap_uint<C::B_W> >& s1,
             hls::stream<ap_uint<C::Y_W> >& m) {
    for (int beat = 0; beat < C::BEATS; beat++) {
#pragma HLS PIPELINE II=1
        typename C::A::code_t a[C::LANES];
#pragma HLS ARRAY_PARTITION variable=a complete
        typename C::B::code_t b[C::LANES];
#pragma HLS ARRAY_PARTITION variable=b complete
        typename Integers<C::P_B>::s y[C::LANES];
#pragma HLS ARRAY_PARTITION variable=y complete
        unpack<typename C::A>(s0.read(), a);
        unpack<typename C::B>(s1.read(), b);
        for (int l = 0; l < C::LANES; l++) {
#pragma HLS UNROLL
            y[l] = product_of<C>(a[l], b[l]);
        }
        ap_uint<C::Y_W> out;
        pack<typename C::Y>(y, out);
        m.write(out);
    }
}

}  // namespace gs

#endif
