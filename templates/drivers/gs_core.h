/* Driver of a gatesmith core behind registers, bare metal: C99, no allocation, no operating system.
 *
 * A core is described by the gs_info of its own file (TOP.c) and reached through two functions that
 * read and write a register; gs_mmio_read and gs_mmio_write do so at an address. On Linux gs_uio.h
 * maps the core of a UIO device.
 *
 *     gs_core core;
 *     if (gs_open(&core, &TOP_info, gs_mmio_read, gs_mmio_write, (void *)0x43c00000) != GS_OK) ...
 *     gs_use_windows(&core, 1);
 *     gs_enable(&core, 1);
 *     gs_quantize(&core, 0, image, codes);
 *     gs_run(&core, inputs, outputs);
 *     gs_real(&core, 0, results, scores);
 *
 * Needs fma() of <math.h>. No function may be called from two threads at once for one core.
 */
#ifndef GS_CORE_H
#define GS_CORE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    GS_OK = 0,
    GS_NOT_THIS_CORE,  /* identification, version or content is another one */
    GS_TIMEOUT,        /* polled gs_core.patience times without progress */
    GS_RANGE,          /* a number is outside of its type, or there is no such port or memory */
    GS_UNSUPPORTED,    /* the host has to do that by the model: see gs_port.quantizer */
    GS_BAD_IMAGE,      /* no image, damaged, or for another core */
    GS_NOT_WRITTEN,    /* a memory does not have what was written: its CRC differs */
    GS_NONE,           /* no frame so far */
    GS_BUS             /* memory answered a DMA access with an error */
} gs_status;

typedef enum { GS_GIVEN, GS_UNIFORM, GS_BIPOLAR, GS_OTHER } gs_quantizer;

typedef enum {
    GS_ROUND, GS_CEIL, GS_FLOOR, GS_ROUND_TO_ZERO, GS_UP, GS_HALF_UP, GS_HALF_DOWN, GS_HALF_ODD
} gs_rounding;

enum { GS_MOST_AXES = 8 };

/* An input or output. */
typedef struct {
    const char *name;
    uint32_t data;      /* offset of its data window */
    uint32_t fill;      /* offset of its room (inputs) or level (outputs) */
    uint32_t frames;    /* offset of its counter of frames */
    uint32_t classes;   /* of an output, offset of its arg-max; 0: it has none */
    uint32_t address;   /* offset of its address in memory, low then high; 0: there is no DMA */
    uint32_t beats;     /* in a frame */
    uint32_t lanes;     /* elements in a beat */
    uint32_t bits;      /* of an element */
    uint32_t words;     /* of 32 bits in a beat */
    uint32_t size;      /* elements in a frame */
    int64_t lo, hi;     /* range of the integers */
    int64_t step;
    /* Order on the stream: axis k of it is axis axes[k] of the model's frame of this shape. */
    uint32_t rank;      /* 0: as in the model */
    uint32_t shape[GS_MOST_AXES];
    uint32_t axes[GS_MOST_AXES];
    /* Inputs: what makes integers of real numbers. */
    gs_quantizer quantizer;
    gs_rounding rounding;
    double scale, zero;
    /* What integers stand for: (mul[c] * n + add[c]) / one[c] where `exact`, else about
     * scales[c] * n + offsets[c]; by channel of the stream's last axis, or one for all. */
    uint32_t channels;  /* entries; 0: they stand for no real numbers */
    int exact;
    const int64_t *mul, *add, *one;
    const double *scales, *offsets;
} gs_port;

typedef struct {
    uint32_t depth;   /* words */
    uint32_t chunks;  /* parts of 32 bits in a word */
} gs_memory;

typedef struct {
    const char *name;
    uint32_t hash_low, hash_high;  /* of the content of the core */
    uint32_t inputs, outputs, memories, streams;
    const gs_port *in, *out;
    const gs_memory *memory;
    uint32_t stalls;               /* offset of the first counter of stalls */
} gs_info;

typedef uint32_t (*gs_read_function)(void *context, uint32_t offset);
typedef void (*gs_write_function)(void *context, uint32_t offset, uint32_t value);

typedef struct {
    const gs_info *info;
    gs_read_function read;
    gs_write_function write;
    void *context;
    uint32_t patience;  /* polls without progress that count as stuck */
} gs_core;

/* Registers at an address: the context. */
uint32_t gs_mmio_read(void *context, uint32_t offset);
void gs_mmio_write(void *context, uint32_t offset, uint32_t value);

/* Take a core into use: checks that it is the one that `info` describes. */
gs_status gs_open(gs_core *core, const gs_info *info, gs_read_function read,
                  gs_write_function write, void *context);

/* Forget frames under way, counters and errors; what is in the memories stays. */
gs_status gs_reset(gs_core *core);

/* Let frames in; or no more, and wait until those that are in are out. */
gs_status gs_enable(gs_core *core, int on);

/* Frames through the registers, or the streams; leaves the core disabled. */
gs_status gs_use_windows(gs_core *core, int on);

/* Integers of a frame of real numbers, exactly as the model quantizes it. */
gs_status gs_quantize(const gs_core *core, uint32_t input, const double *x, int64_t *n);

/* The real numbers that the integers of an output stand for: the nearest doubles where the port is
 * `exact` and its numbers fit 53 bits, else within a few units in the last place. */
gs_status gs_real(const gs_core *core, uint32_t output, const int64_t *n, double *y);

/* A frame through the windows; an array for each input and output, in the order of the model. */
gs_status gs_run(gs_core *core, const int64_t *const *inputs, int64_t *const *outputs);

/* Frames by address, of a core built with --dma. A frame lies in memory in beats * words words of 32
 * bits; frames lie one behind the other. gs_pack makes the words of one frame of an input, gs_unpack
 * takes those of one of an output apart. gs_move starts `frames` frames on every port: inputs and
 * outputs are addresses on the bus, multiples of 4, in the order of the model; the windows have to be
 * in use, the core enabled. gs_moved waits until all are in memory. Caches are the caller's business. */
gs_status gs_pack(const gs_core *core, uint32_t input, const int64_t *n, uint32_t *words);
gs_status gs_unpack(const gs_core *core, uint32_t output, const uint32_t *words, int64_t *n);
gs_status gs_move(gs_core *core, uint32_t frames, const uint64_t *inputs, const uint64_t *outputs);
gs_status gs_moved(gs_core *core);

/* Class of the last frame, as the core found it. */
gs_status gs_last_class(const gs_core *core, uint32_t output, uint32_t *index);

/* Frames so far, modulo 2^32; cycles for which a stream stood still. */
uint32_t gs_frames_in(const gs_core *core, uint32_t input);
uint32_t gs_frames_out(const gs_core *core, uint32_t output);
uint32_t gs_stalls(const gs_core *core, uint32_t stream);

/* Bits of the register errors; clears them. */
uint32_t gs_errors(gs_core *core);

/* Interrupt: bit 0 a frame has left, bit 1 an error, bit 2 all frames of gs_move are in memory.
 * Acknowledge returns and clears the bits. */
void gs_enable_interrupt(gs_core *core, uint32_t bits);
uint32_t gs_acknowledge(gs_core *core);

/* Memories, while the core is disabled; data in words of 32 bits, depth * chunks of them. */
gs_status gs_write_memory(gs_core *core, uint32_t number, const uint32_t *data);
gs_status gs_read_memory(gs_core *core, uint32_t number, uint32_t *data);
gs_status gs_memory_crc(gs_core *core, uint32_t number, uint32_t *crc);

/* Turn the core into another network: an image of gatesmith reload, as words in the order of the
 * machine (the file is little-endian). Nothing is written of an image that is damaged or for another core. The core
 * is drained and enabled again where it was. What the outputs stand for stays that of gs_info. */
gs_status gs_load_image(gs_core *core, const uint32_t *image, size_t words);

/* CRC-32 of IEEE 802.3 over words, least significant byte first. */
uint32_t gs_crc32(const uint32_t *data, size_t words);

#ifdef __cplusplus
}
#endif

#endif
