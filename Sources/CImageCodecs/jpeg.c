#include "buffer.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

// libjpeg's error manager with the place to return to. `base` first: the library hands back a pointer to it.
typedef struct {
    struct jpeg_error_mgr base;
    jmp_buf place;
    char message[JMSG_LENGTH_MAX];
} jpeg_failure;

static void jpeg_fail(j_common_ptr common) {
    jpeg_failure *failure = (jpeg_failure *)common->err;
    common->err->format_message(common, failure->message);
    longjmp(failure->place, 1);
}

// Warnings (level -1) mean damaged data unless they are of the harmless kinds that cameras and editors leave behind.
static void jpeg_weigh_message(j_common_ptr common, int level) {
    if (level >= 0) return;
    switch (common->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_ADOBE_XFORM:
    case JWRN_TOO_MUCH_DATA:
        return;
    default:
        jpeg_fail(common);
    }
}

static struct jpeg_error_mgr *jpeg_failure_init(jpeg_failure *failure) {
    jpeg_std_error(&failure->base);
    failure->base.error_exit = jpeg_fail;
    failure->base.emit_message = jpeg_weigh_message;
    return &failure->base;
}

static void report_failure(tk_codec_report *report, const jpeg_failure *failure) {
    snprintf(report->message, sizeof report->message, "%s", failure->message);
}

enum { markers_kept = 64 };

struct tk_jpeg_reader {
    struct jpeg_decompress_struct jpeg;
    jpeg_failure failure;
    struct jpeg_progress_mgr progress;
    uint32_t scans;
    uint8_t *row;                         // one CMYK row
    tk_codec_text markers[markers_kept];  // comments and EXIF segments, pointing into the caller's bytes
    size_t marker_count;
};

static void jpeg_fail_saying(tk_jpeg_reader *reader, const char *words, unsigned number) {
    snprintf(reader->failure.message, sizeof reader->failure.message, words, number);
    longjmp(reader->failure.place, 1);
}

// Remembers where a marker's payload lies. The source is one block of memory, so nothing has to be copied.
static boolean jpeg_keep_marker(j_decompress_ptr jpeg) {
    tk_jpeg_reader *reader = jpeg->client_data;
    struct jpeg_source_mgr *source = jpeg->src;
    if (source->bytes_in_buffer < 2) ERREXIT(jpeg, JERR_INPUT_EOF);
    size_t length = (size_t)source->next_input_byte[0] << 8 | source->next_input_byte[1];
    if (length < 2) ERREXIT(jpeg, JERR_BAD_LENGTH);
    if (length > source->bytes_in_buffer) ERREXIT(jpeg, JERR_INPUT_EOF);
    if (reader->marker_count == markers_kept) jpeg_fail_saying(reader, "more than %u comments", markers_kept);
    reader->markers[reader->marker_count++] = (tk_codec_text){
        .bytes = source->next_input_byte + 2, .count = length - 2, .kind = jpeg->unread_marker};
    source->next_input_byte += length;
    source->bytes_in_buffer -= length;
    return TRUE;
}

static void jpeg_count_scans(j_common_ptr common) {
    j_decompress_ptr jpeg = (j_decompress_ptr)common;
    tk_jpeg_reader *reader = jpeg->client_data;
    if ((uint32_t)jpeg->input_scan_number > reader->scans)
        jpeg_fail_saying(reader, "more than %u scans", reader->scans);
}

tk_jpeg_reader *tk_jpeg_open(const uint8_t *bytes, size_t count, const tk_codec_limits *limits,
                             tk_codec_status *status, tk_codec_report *report) {
    *report = (tk_codec_report){0};
    *status = TK_CODEC_OUT_OF_MEMORY;
    tk_jpeg_reader *reader = calloc(1, sizeof *reader);
    if (!reader) return NULL;
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    jpeg->err = jpeg_failure_init(&reader->failure);
    *status = TK_CODEC_CORRUPT;
    if (setjmp(reader->failure.place)) {
        report_failure(report, &reader->failure);
        tk_jpeg_close(reader);
        return NULL;
    }
    jpeg_create_decompress(jpeg);
    jpeg->client_data = reader;
    reader->scans = limits->scans;
    reader->progress.progress_monitor = jpeg_count_scans;
    jpeg->progress = &reader->progress;
    jpeg->mem->max_memory_to_use = (long)limits->working_bytes;
    jpeg_mem_src(jpeg, bytes, count);
    jpeg_set_marker_processor(jpeg, JPEG_COM, jpeg_keep_marker);
    jpeg_set_marker_processor(jpeg, JPEG_APP0 + 1, jpeg_keep_marker);
    jpeg_read_header(jpeg, TRUE);
    report->width = jpeg->image_width;
    report->height = jpeg->image_height;
    if (!tk_codec_fits(limits, jpeg->image_width, jpeg->image_height)) {
        *status = TK_CODEC_TOO_LARGE;
    } else if (jpeg->arith_code || jpeg->data_precision != 8) {
        *status = TK_CODEC_UNSUPPORTED;
        if (jpeg->arith_code)
            strcpy(report->message, "arithmetic coding");
        else
            snprintf(report->message, sizeof report->message, "%d bits a sample", jpeg->data_precision);
    } else {
        switch (jpeg->jpeg_color_space) {
        case JCS_GRAYSCALE:
        case JCS_YCbCr:
        case JCS_RGB:
            jpeg->out_color_space = JCS_RGB;
            *status = TK_CODEC_OK;
            break;
        case JCS_CMYK:
        case JCS_YCCK:
            jpeg->out_color_space = JCS_CMYK;
            *status = TK_CODEC_OK;
            break;
        default:
            *status = TK_CODEC_UNSUPPORTED;
            snprintf(report->message, sizeof report->message, "an unknown colour space of %d components",
                     jpeg->num_components);
        }
    }
    if (*status == TK_CODEC_OK) return reader;
    tk_jpeg_close(reader);
    return NULL;
}

// Adobe stores inverted inks: 255 is none, so the product of ink and black is the light that is left.
static void cmyk_to_rgb(uint8_t *restrict rgb, const uint8_t *restrict cmyk, size_t pixels, int inverted) {
    for (size_t i = 0; i < pixels; i++) {
        unsigned black = inverted ? cmyk[4 * i + 3] : 255u - cmyk[4 * i + 3];
        for (size_t c = 0; c < 3; c++) {
            unsigned ink = inverted ? cmyk[4 * i + c] : 255u - cmyk[4 * i + c];
            rgb[3 * i + c] = (uint8_t)((ink * black + 127u) / 255u);
        }
    }
}

tk_codec_status tk_jpeg_decode(tk_jpeg_reader *reader, uint8_t *rgb, tk_codec_report *report) {
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    *report = (tk_codec_report){.width = jpeg->image_width, .height = jpeg->image_height};
    size_t width = jpeg->image_width;
    if (jpeg->out_color_space == JCS_CMYK && !(reader->row = malloc(width * 4))) return TK_CODEC_OUT_OF_MEMORY;
    if (setjmp(reader->failure.place)) {
        report_failure(report, &reader->failure);
        return TK_CODEC_CORRUPT;
    }
    jpeg->dct_method = JDCT_ISLOW;
    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *target = rgb + (size_t)jpeg->output_scanline * width * 3;
        JSAMPROW row = reader->row ? reader->row : target;
        if (jpeg_read_scanlines(jpeg, &row, 1) == 1 && reader->row)
            cmyk_to_rgb(target, reader->row, width, jpeg->saw_Adobe_marker);
    }
    jpeg_finish_decompress(jpeg);
    return TK_CODEC_OK;
}

size_t tk_jpeg_marker_count(const tk_jpeg_reader *reader) { return reader->marker_count; }

tk_codec_text tk_jpeg_marker(const tk_jpeg_reader *reader, size_t index) { return reader->markers[index]; }

void tk_jpeg_close(tk_jpeg_reader *reader) {
    if (!reader) return;
    jpeg_destroy_decompress(&reader->jpeg);
    free(reader->row);
    free(reader);
}

// A destination that appends to the buffer. `base` first, as above.
typedef struct {
    struct jpeg_destination_mgr base;
    tk_codec_buffer *out;
    JOCTET block[1 << 14];
} jpeg_sink;

static void jpeg_sink_start(j_compress_ptr jpeg) {
    jpeg_sink *sink = (jpeg_sink *)jpeg->dest;
    sink->base.next_output_byte = sink->block;
    sink->base.free_in_buffer = sizeof sink->block;
}

static boolean jpeg_sink_full(j_compress_ptr jpeg) {
    jpeg_sink *sink = (jpeg_sink *)jpeg->dest;
    if (!tk_codec_buffer_append(sink->out, sink->block, sizeof sink->block)) ERREXIT1(jpeg, JERR_OUT_OF_MEMORY, 0);
    jpeg_sink_start(jpeg);
    return TRUE;
}

static void jpeg_sink_end(j_compress_ptr jpeg) {
    jpeg_sink *sink = (jpeg_sink *)jpeg->dest;
    size_t count = sizeof sink->block - sink->base.free_in_buffer;
    if (!tk_codec_buffer_append(sink->out, sink->block, count)) ERREXIT1(jpeg, JERR_OUT_OF_MEMORY, 0);
}

tk_codec_status tk_jpeg_write(tk_codec_buffer *out, const uint8_t *rgb, uint32_t width, uint32_t height, int quality,
                              int full_chroma, const tk_codec_text *markers, size_t marker_count,
                              tk_codec_report *report) {
    *out = (tk_codec_buffer){0};
    *report = (tk_codec_report){.width = width, .height = height};
    struct jpeg_compress_struct jpeg = {0};
    jpeg_failure failure;
    jpeg_sink sink;
    jpeg.err = jpeg_failure_init(&failure);
    if (setjmp(failure.place)) {
        report_failure(report, &failure);
        jpeg_destroy_compress(&jpeg);
        tk_codec_buffer_free(out);
        return TK_CODEC_UNSUPPORTED;
    }
    jpeg_create_compress(&jpeg);
    sink.base = (struct jpeg_destination_mgr){.init_destination = jpeg_sink_start,
                                              .empty_output_buffer = jpeg_sink_full,
                                              .term_destination = jpeg_sink_end};
    sink.out = out;
    jpeg.dest = &sink.base;
    jpeg.image_width = width;
    jpeg.image_height = height;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, quality, TRUE);
    jpeg.dct_method = JDCT_ISLOW;
    jpeg.optimize_coding = TRUE;
    if (full_chroma) jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(&jpeg, TRUE);
    for (size_t i = 0; i < marker_count; i++)
        jpeg_write_marker(&jpeg, markers[i].kind, markers[i].bytes, (unsigned)markers[i].count);
    while (jpeg.next_scanline < height) {
        JSAMPROW row = (JSAMPROW)(rgb + (size_t)jpeg.next_scanline * width * 3);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return TK_CODEC_OK;
}
