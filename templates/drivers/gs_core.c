/* Driver of a gatesmith core: see gs_core.h. Offsets and bits are those of map version 1. */
#include "gs_core.h"

#include <math.h>

enum {
    ID = 0x000, VERSION = 0x004, HASH_LOW = 0x008, HASH_HIGH = 0x00c,
    CONTROL = 0x020, STATUS = 0x024, ERRORS = 0x028, INTERRUPT = 0x02c, INTERRUPT_ENABLE = 0x030,
    RELOAD_MEMORY = 0x040, RELOAD_DATA = 0x048, RELOAD_COMMAND = 0x054, RELOAD_CRC = 0x058,
    DMA_COMMAND = 0x060, DMA_FRAMES = 0x064
};

#define MAGIC 0x47534d31u
#define IMAGE_MAGIC 0x4c525347u
#define ENABLE 1u
#define WINDOW 2u
#define RESET 0x100u
#define DRAINED 2u
#define IN_WINDOW 4u
#define RESETTING 8u
#define SUMMING 0x10u
#define MOVING 0x20u
#define BUS_ERROR 0x20u

static uint32_t get(const gs_core *core, uint32_t offset) {
    return core->read(core->context, offset);
}

static void put(const gs_core *core, uint32_t offset, uint32_t value) {
    core->write(core->context, offset, value);
}

uint32_t gs_mmio_read(void *context, uint32_t offset) {
    return *(volatile uint32_t *)(void *)((char *)context + offset);
}

void gs_mmio_write(void *context, uint32_t offset, uint32_t value) {
    *(volatile uint32_t *)(void *)((char *)context + offset) = value;
}

/* Poll until the bits of `mask` in the status have the value `wanted`. */
static gs_status await(const gs_core *core, uint32_t mask, uint32_t wanted) {
    uint32_t polls;
    for (polls = 0; polls < core->patience; polls++) {
        if ((get(core, STATUS) & mask) == wanted) return GS_OK;
    }
    return GS_TIMEOUT;
}

static void control(gs_core *core, uint32_t clear, uint32_t set) {
    put(core, CONTROL, (get(core, CONTROL) & (ENABLE | WINDOW) & ~clear) | set);
}

gs_status gs_open(gs_core *core, const gs_info *info, gs_read_function read,
                  gs_write_function write, void *context) {
    core->info = info;
    core->read = read;
    core->write = write;
    core->context = context;
    core->patience = 1000000u;
    if (get(core, ID) != MAGIC || get(core, VERSION) >> 16 != 1u) return GS_NOT_THIS_CORE;
    if (get(core, HASH_LOW) != info->hash_low || get(core, HASH_HIGH) != info->hash_high) {
        return GS_NOT_THIS_CORE;
    }
    return GS_OK;
}

gs_status gs_reset(gs_core *core) {
    control(core, 0, RESET);
    return await(core, RESETTING, 0);
}

gs_status gs_enable(gs_core *core, int on) {
    control(core, ENABLE, on ? ENABLE : 0);
    return on ? GS_OK : await(core, DRAINED, DRAINED);
}

gs_status gs_use_windows(gs_core *core, int on) {
    gs_status status = gs_enable(core, 0);
    if (status != GS_OK) return status;
    control(core, WINDOW, on ? WINDOW : 0);
    return await(core, IN_WINDOW, on ? IN_WINDOW : 0);
}

/* ---- numbers ------------------------------------------------------------------------------- */

/* Whether x / scale + zero, rounded, is k or above: x against (bound - zero) * scale. The bound is a
 * multiple of one half, and fma rounds only once, so that the sign of the difference is exact. */
static int reaches(const gs_port *port, double x, int64_t k) {
    double bound = (double)k, difference;
    int strict = 0, odd = (int)(k & 1);
    switch (port->rounding) {
    case GS_ROUND: bound -= 0.5; strict = odd; break;
    case GS_CEIL: bound -= 1.0; strict = 1; break;
    case GS_FLOOR: break;
    case GS_ROUND_TO_ZERO: if (k < 1) { bound -= 1.0; strict = 1; } break;
    case GS_UP: if (k >= 1) { bound -= 1.0; strict = 1; } break;
    case GS_HALF_UP: bound -= 0.5; strict = k < 1; break;
    case GS_HALF_DOWN: bound -= 0.5; strict = k >= 1; break;
    case GS_HALF_ODD: bound -= 0.5; strict = !odd; break;
    }
    difference = fma(-(bound - port->zero), port->scale, x);
    return strict ? difference > 0.0 : difference >= 0.0;
}

static int64_t uniform(const gs_port *port, double x) {
    double guess = floor(x / port->scale + port->zero);
    int64_t code;
    if (guess <= (double)port->lo) code = port->lo;
    else if (guess >= (double)port->hi) code = port->hi;
    else code = (int64_t)guess;
    while (code < port->hi && reaches(port, x, code + 1)) code++;
    while (code > port->lo && !reaches(port, x, code)) code--;
    return code;
}

gs_status gs_quantize(const gs_core *core, uint32_t input, const double *x, int64_t *n) {
    const gs_port *port;
    uint32_t k;
    if (input >= core->info->inputs) return GS_RANGE;
    port = &core->info->in[input];
    if (port->quantizer != GS_UNIFORM && port->quantizer != GS_BIPOLAR) return GS_UNSUPPORTED;
    for (k = 0; k < port->size; k++) {
        if (!isfinite(x[k])) return GS_RANGE;
        n[k] = port->quantizer == GS_BIPOLAR ? (x[k] >= 0.0 ? 1 : -1) : uniform(port, x[k]);
    }
    return GS_OK;
}

/* Place in the model's frame of element k of the stream. */
static uint32_t place(const gs_port *port, uint32_t k) {
    uint32_t stride[GS_MOST_AXES], at = 0, axis;
    if (port->rank == 0) return k;
    stride[port->rank - 1] = 1;
    for (axis = port->rank - 1; axis > 0; axis--) {
        stride[axis - 1] = stride[axis] * port->shape[axis];
    }
    for (axis = port->rank; axis > 0; axis--) {
        uint32_t mine = port->axes[axis - 1];
        at += k % port->shape[mine] * stride[mine];
        k /= port->shape[mine];
    }
    return at;
}

gs_status gs_real(const gs_core *core, uint32_t output, const int64_t *n, double *y) {
    const gs_port *port;
    uint32_t k;
    if (output >= core->info->outputs) return GS_RANGE;
    port = &core->info->out[output];
    if (port->channels == 0) return GS_UNSUPPORTED;
    for (k = 0; k < port->size; k++) {
        uint32_t at = place(port, k), c = k % port->channels;
        if (port->exact) {
            y[at] = (double)(port->mul[c] * n[at] + port->add[c]) / (double)port->one[c];
        } else {
            y[at] = fma(port->scales[c], (double)n[at], port->offsets[c]);
        }
    }
    return GS_OK;
}

/* ---- frames -------------------------------------------------------------------------------- */

static uint64_t code_of(const gs_port *port, int64_t n) {
    uint64_t mask = port->bits == 64 ? ~(uint64_t)0 : ((uint64_t)1 << port->bits) - 1;
    if (port->step != 1) return (uint64_t)((n - port->lo) / port->step);
    return (uint64_t)n & mask;
}

static int64_t number_of(const gs_port *port, uint64_t code) {
    if (port->step != 1) return port->lo + port->step * (int64_t)code;
    if (port->lo < 0 && port->bits < 64 && code >> (port->bits - 1)) {
        return (int64_t)code - (int64_t)((uint64_t)1 << port->bits);
    }
    return (int64_t)code;
}

static int all_inside(const gs_port *port, const int64_t *n) {
    uint32_t k;
    for (k = 0; k < port->size; k++) {
        if (n[k] < port->lo || n[k] > port->hi || (n[k] - port->lo) % port->step != 0) return 0;
    }
    return 1;
}

/* Where a beat is taken up: elements and bits of an element that are done. */
typedef struct {
    uint32_t lane, taken;
    uint64_t code;
} cursor;

/* The next 32 bits of a beat; elements behind the end of the frame are 0. */
static uint32_t word_of(const gs_port *port, uint32_t beat, const int64_t *n, cursor *at) {
    uint32_t value = 0, bit;
    for (bit = 0; bit < 32 && at->lane < port->lanes; bit++) {
        if (at->taken == 0) {
            uint32_t k = beat * port->lanes + at->lane;
            at->code = k < port->size ? code_of(port, n[place(port, k)]) : 0;
        }
        value |= (uint32_t)(at->code >> at->taken & 1u) << bit;
        if (++at->taken == port->bits) { at->taken = 0; at->lane++; }
    }
    return value;
}

static void elements_of(const gs_port *port, uint32_t beat, uint32_t value, int64_t *n, cursor *at) {
    uint32_t bit;
    for (bit = 0; bit < 32 && at->lane < port->lanes; bit++) {
        at->code |= (uint64_t)(value >> bit & 1u) << at->taken;
        if (++at->taken == port->bits) {
            uint32_t k = beat * port->lanes + at->lane;
            if (k < port->size) n[place(port, k)] = number_of(port, at->code);
            at->code = 0;
            at->taken = 0;
            at->lane++;
        }
    }
}

static void push(const gs_core *core, const gs_port *port, uint32_t beat, const int64_t *n) {
    cursor at = {0, 0, 0};
    uint32_t word;
    for (word = 0; word < port->words; word++) put(core, port->data, word_of(port, beat, n, &at));
}

static void pull(const gs_core *core, const gs_port *port, uint32_t beat, int64_t *n) {
    cursor at = {0, 0, 0};
    uint32_t word;
    for (word = 0; word < port->words; word++) {
        elements_of(port, beat, get(core, port->data), n, &at);
    }
}

enum { MOST_PORTS = 64 };

gs_status gs_run(gs_core *core, const int64_t *const *inputs, int64_t *const *outputs) {
    const gs_info *info = core->info;
    uint32_t sent[MOST_PORTS] = {0}, got[MOST_PORTS] = {0}, idle = 0, left = 0, k;
    if (info->inputs > MOST_PORTS || info->outputs > MOST_PORTS) return GS_UNSUPPORTED;
    for (k = 0; k < info->inputs; k++) {
        if (!all_inside(&info->in[k], inputs[k])) return GS_RANGE;
    }
    for (k = 0; k < info->outputs; k++) left += info->out[k].beats;
    while (left > 0) {
        uint32_t moved = 0;
        for (k = 0; k < info->inputs; k++) {
            const gs_port *port = &info->in[k];
            uint32_t room = sent[k] < port->beats ? get(core, port->fill) : 0;
            for (; room > 0 && sent[k] < port->beats; room--, moved++) {
                push(core, port, sent[k]++, inputs[k]);
            }
        }
        for (k = 0; k < info->outputs; k++) {
            const gs_port *port = &info->out[k];
            uint32_t there = got[k] < port->beats ? get(core, port->fill) : 0;
            for (; there > 0 && got[k] < port->beats; there--, moved++, left--) {
                pull(core, port, got[k]++, outputs[k]);
            }
        }
        idle = moved ? 0 : idle + 1;
        if (idle > core->patience) return GS_TIMEOUT;
    }
    return GS_OK;
}

/* ---- frames by address --------------------------------------------------------------------- */

gs_status gs_pack(const gs_core *core, uint32_t input, const int64_t *n, uint32_t *words) {
    const gs_port *port;
    uint32_t beat, word;
    if (input >= core->info->inputs) return GS_RANGE;
    port = &core->info->in[input];
    if (!all_inside(port, n)) return GS_RANGE;
    for (beat = 0; beat < port->beats; beat++) {
        cursor at = {0, 0, 0};
        for (word = 0; word < port->words; word++) *words++ = word_of(port, beat, n, &at);
    }
    return GS_OK;
}

gs_status gs_unpack(const gs_core *core, uint32_t output, const uint32_t *words, int64_t *n) {
    const gs_port *port;
    uint32_t beat, word;
    if (output >= core->info->outputs) return GS_RANGE;
    port = &core->info->out[output];
    for (beat = 0; beat < port->beats; beat++) {
        cursor at = {0, 0, 0};
        for (word = 0; word < port->words; word++) elements_of(port, beat, *words++, n, &at);
    }
    return GS_OK;
}

static gs_status locate(const gs_core *core, const gs_port *port, uint64_t address) {
    if (port->address == 0) return GS_UNSUPPORTED;
    if (address & 3u) return GS_RANGE;
    put(core, port->address, (uint32_t)address);
    put(core, port->address + 4, (uint32_t)(address >> 32));
    return GS_OK;
}

gs_status gs_move(gs_core *core, uint32_t frames, const uint64_t *inputs, const uint64_t *outputs) {
    const gs_info *info = core->info;
    gs_status status = await(core, MOVING, 0);
    uint32_t k;
    for (k = 0; k < info->inputs && status == GS_OK; k++) {
        status = locate(core, &info->in[k], inputs[k]);
    }
    for (k = 0; k < info->outputs && status == GS_OK; k++) {
        status = locate(core, &info->out[k], outputs[k]);
    }
    if (status != GS_OK) return status;
    put(core, ERRORS, BUS_ERROR);
    put(core, DMA_FRAMES, frames);
    put(core, DMA_COMMAND, 1u);
    return GS_OK;
}

gs_status gs_moved(gs_core *core) {
    gs_status status = await(core, MOVING, 0);
    if (status != GS_OK) return status;
    return get(core, ERRORS) & BUS_ERROR ? GS_BUS : GS_OK;
}

/* ---- what happened ------------------------------------------------------------------------- */

gs_status gs_last_class(const gs_core *core, uint32_t output, uint32_t *index) {
    uint32_t value;
    if (output >= core->info->outputs) return GS_RANGE;
    if (core->info->out[output].classes == 0) return GS_UNSUPPORTED;
    value = get(core, core->info->out[output].classes);
    *index = value & 0x7fffffffu;
    return value >> 31 ? GS_OK : GS_NONE;
}

uint32_t gs_frames_in(const gs_core *core, uint32_t input) {
    return get(core, core->info->in[input].frames);
}

uint32_t gs_frames_out(const gs_core *core, uint32_t output) {
    return get(core, core->info->out[output].frames);
}

uint32_t gs_stalls(const gs_core *core, uint32_t stream) {
    return get(core, core->info->stalls + 4 * stream);
}

uint32_t gs_errors(gs_core *core) {
    uint32_t found = get(core, ERRORS);
    put(core, ERRORS, found);
    return found;
}

void gs_enable_interrupt(gs_core *core, uint32_t bits) {
    put(core, INTERRUPT_ENABLE, bits);
}

uint32_t gs_acknowledge(gs_core *core) {
    uint32_t found = get(core, INTERRUPT);
    put(core, INTERRUPT, found);
    return found;
}

/* ---- memories ------------------------------------------------------------------------------ */

static uint32_t crc_of(uint32_t crc, uint32_t word) {
    int k;
    crc ^= word; /* the low byte first: the same as four bytes one after the other */
    for (k = 0; k < 32; k++) crc = crc >> 1 ^ (crc & 1u ? 0xedb88320u : 0u);
    return crc;
}

uint32_t gs_crc32(const uint32_t *data, size_t words) {
    uint32_t crc = 0xffffffffu;
    size_t k;
    for (k = 0; k < words; k++) crc = crc_of(crc, data[k]);
    return ~crc;
}

gs_status gs_memory_crc(gs_core *core, uint32_t number, uint32_t *crc) {
    gs_status status;
    if (number >= core->info->memories) return GS_RANGE;
    put(core, RELOAD_MEMORY, number);
    put(core, RELOAD_COMMAND, 1u);
    status = await(core, SUMMING, 0);
    *crc = get(core, RELOAD_CRC);
    return status;
}

gs_status gs_write_memory(gs_core *core, uint32_t number, const uint32_t *data) {
    uint32_t words, k, crc = 0;
    gs_status status;
    if (number >= core->info->memories) return GS_RANGE;
    words = core->info->memory[number].depth * core->info->memory[number].chunks;
    put(core, RELOAD_MEMORY, number);
    for (k = 0; k < words; k++) put(core, RELOAD_DATA, data[k]);
    status = gs_memory_crc(core, number, &crc);
    if (status != GS_OK) return status;
    return crc == gs_crc32(data, words) ? GS_OK : GS_NOT_WRITTEN;
}

gs_status gs_read_memory(gs_core *core, uint32_t number, uint32_t *data) {
    uint32_t words, k;
    if (number >= core->info->memories) return GS_RANGE;
    words = core->info->memory[number].depth * core->info->memory[number].chunks;
    put(core, RELOAD_MEMORY, number);
    for (k = 0; k < words; k++) data[k] = get(core, RELOAD_DATA);
    return GS_OK;
}

/* Whether an image is whole and for this core. */
static int fits(const gs_core *core, const uint32_t *image, size_t words) {
    const gs_info *info = core->info;
    size_t at = 5;
    uint32_t k;
    if (words < 7 || image[0] != IMAGE_MAGIC || image[1] != 1u) return 0;
    if (gs_crc32(image, words - 1) != image[words - 1]) return 0;
    if (image[2] != info->hash_low || image[3] != info->hash_high) return 0;
    if (image[4] != info->memories) return 0;
    for (k = 0; k < info->memories; k++) {
        const gs_memory *memory = &info->memory[k];
        if (words - at < 6) return 0;
        if (image[at] != k || image[at + 1] != memory->depth || image[at + 2] != memory->chunks) {
            return 0;
        }
        at += 4 + (size_t)memory->depth * memory->chunks;
        if (at + 2 > words) return 0;
    }
    return 1;
}

gs_status gs_load_image(gs_core *core, const uint32_t *image, size_t words) {
    uint32_t enabled, k;
    size_t at = 5;
    gs_status status;
    if (!fits(core, image, words)) return GS_BAD_IMAGE;
    enabled = get(core, CONTROL) & ENABLE;
    status = gs_enable(core, 0);
    for (k = 0; k < core->info->memories && status == GS_OK; k++) {
        status = gs_write_memory(core, k, image + at + 4);
        at += 4 + (size_t)core->info->memory[k].depth * core->info->memory[k].chunks;
    }
    if (status == GS_OK && enabled) status = gs_enable(core, 1);
    return status;
}
