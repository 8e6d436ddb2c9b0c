#include <apps/relay/wire/frame.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>
#include <memory>
#include <set>

#include "wire_fixture.hpp"

namespace {

using namespace tide::relay::wire;
using namespace std::string_literals;
using tide::bytes_of;
using tide::text_of;
using wire_fixture::hex;
using wire_fixture::recorded_frames;
using wire_fixture::text;

/// The bytes in a heap block of exactly their size, so that a read past the end is seen by AddressSanitizer.
class exact_bytes {
 public:
  explicit exact_bytes(std::string_view bytes) : size_(bytes.size()), data_(std::make_unique<std::byte[]>(bytes.size())) {
    std::ranges::copy(bytes_of(bytes), data_.get());
  }
  [[nodiscard]] tide::bytes_view view() const { return {data_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<std::byte[]> data_;
};

std::error_code error_of_item(std::string_view item) {
  const exact_bytes bytes(item);
  const auto checked = validate(bytes.view());
  return checked ? std::error_code() : checked.error();
}
std::error_code error_of_frame(std::string_view bytes) {
  const exact_bytes exact(bytes);
  const auto frame = decode_frame(exact.view());
  return frame ? std::error_code() : frame.error();
}

const std::string commit_header = hex("a2 61 74 67") + "#commit" + hex("62 6f 70 01");
const std::string account_header = hex("a2 61 74 68") + "#account" + hex("62 6f 70 01");
/// {did, seq, active} in the order of keys, with `seq` as the encoded integer.
std::string account(std::string_view seq) {
  return account_header + "\xa3" + text("did") + text("did:plc:x") + text("seq") + std::string(seq) + text("active") +
         "\xf5";
}

TEST(WireCbor, ReadsEveryPermittedType) {
  for (const auto* item : {"00",
                           "17",
                           "18 18",
                           "18 ff",
                           "19 01 00",
                           "1a 00 01 00 00",
                           "1b 00 00 00 01 00 00 00 00",
                           "1b 7f ff ff ff ff ff ff ff",
                           "20",
                           "38 18",
                           "3b 7f ff ff ff ff ff ff ff",
                           "40",
                           "41 ff",
                           "60",
                           "61 61",
                           "80",
                           "82 01 02",
                           "a0",
                           "a1 61 61 01",
                           "a2 61 62 01 62 61 61 02",
                           "f4",
                           "f5",
                           "f6"}) {
    EXPECT_FALSE(error_of_item(hex(item))) << item;
  }
}

TEST(WireCbor, RefusesNumbersThatAreNotInTheirShortestForm) {
  for (const auto* item : {"18 00", "18 17", "19 00 ff", "1a 00 00 ff ff", "1b 00 00 00 00 ff ff ff ff", "38 17", "58 01 00",
                           "78 01 61", "98 00", "b8 00", "d8 05 00", "d9 00 2a 40"}) {
    EXPECT_EQ(error_of_item(hex(item)), wire_errc::not_minimal) << item;
  }
}

TEST(WireCbor, RefusesIndefiniteLengths) {
  for (const auto* item : {"5f 41 00 ff", "7f 61 61 ff", "9f 01 ff", "bf 61 61 01 ff"}) {
    EXPECT_EQ(error_of_item(hex(item)), wire_errc::indefinite_length) << item;
  }
}

TEST(WireCbor, RefusesTypesOutsideOfTheDataModel) {
  for (const auto* item : {"f9 3c 00", "fa 3f 80 00 00", "fb 3f f0 00 00 00 00 00 00", "f7", "e0", "f8 20", "ff", "c0 60",
                           "c2 41 01", "d8 2b 40", "da 00 01 00 00 60"}) {
    EXPECT_EQ(error_of_item(hex(item)), wire_errc::not_permitted) << item;
  }
  for (const auto* item : {"1c", "3d", "5e", "7c", "9d", "be", "dc", "fc", "1f", "3f", "df"}) {
    EXPECT_EQ(error_of_item(hex(item)), wire_errc::reserved) << item;
  }
  EXPECT_EQ(error_of_item(hex("1b 80 00 00 00 00 00 00 00")), wire_errc::integer_range);
  EXPECT_EQ(error_of_item(hex("3b 80 00 00 00 00 00 00 00")), wire_errc::integer_range);
}

TEST(WireCbor, RefusesBadMapKeys) {
  for (const auto* item : {"a2 61 61 01 61 61 02", "a2 61 62 01 61 61 02", "a2 62 61 61 01 61 62 02", "a1 01 01",
                           "a1 41 61 01", "a1 f6 01", "a1 80 01", "81 a2 61 61 01 61 61 02"}) {
    EXPECT_EQ(error_of_item(hex(item)), wire_errc::bad_key) << item;
  }
  const std::string key(max_key, 'k');
  EXPECT_FALSE(error_of_item(hex("a1 79 20 00") + key + "\x01"));
  EXPECT_EQ(error_of_item(hex("a1 79 20 01") + key + "k\x01"), wire_errc::bad_key);
}

TEST(WireCbor, RefusesBadText) {
  for (const auto* item : {"61 ff", "62 c3 28", "62 c0 80", "63 ed a0 80", "64 f4 90 80 80", "61 c3", "a1 61 ff 01"}) {
    EXPECT_EQ(error_of_item(hex(item)), wire_errc::bad_utf8) << item;
  }
  EXPECT_FALSE(error_of_item(hex("64 f0 9f 98 80")));
}

TEST(WireCbor, LinksAreBinaryCidsOfVersionOne) {
  const std::string digest(32, 'd');
  EXPECT_FALSE(error_of_item(hex("d8 2a 58 25 00 01 71 12 20") + digest));
  EXPECT_FALSE(error_of_item(hex("d8 2a 58 25 00 01 55 12 20") + digest));
  for (const auto& link : {hex("d8 2a 60"), hex("d8 2a 00"), hex("d8 2a f6"), hex("d8 2a 40"), hex("d8 2a 41 00"),
                           hex("d8 2a 58 24 01 71 12 20") + digest, hex("d8 2a 58 25 01 01 71 12 20") + digest,
                           hex("d8 2a 58 23 00 12 20") + digest, hex("d8 2a 58 25 00 01 71 12 1f") + digest,
                           hex("d8 2a 58 25 00 01 71 12 21") + digest, hex("d8 2a 58 25 00 02 71 12 20") + digest,
                           hex("d8 2a 58 26 00 01 f1 00 12 20") + digest, hex("d8 2a 4b 00 ff ff ff ff ff ff ff ff ff ff"),
                           hex("d8 2a 58 66 00 01 71 12 61") + std::string(97, 'd')}) {
    EXPECT_EQ(error_of_item(link), wire_errc::bad_cid) << testing::PrintToString(link);
  }
}

TEST(WireCbor, ChecksLengthsBeforeItBelievesThem) {
  for (const auto* item : {"5b ff ff ff ff ff ff ff ff", "5b 7f ff ff ff ff ff ff ff", "7b ff ff ff ff ff ff ff ff",
                           "9b ff ff ff ff ff ff ff ff", "bb ff ff ff ff ff ff ff ff", "9a 00 01 ff ff 00", "42 00", "82 00",
                           "a2 61 61 01", "a1 61 61", "18", "19 01", "d8", "d8 2a", "d8 2a 58 25 00", ""}) {
    EXPECT_EQ(error_of_item(hex(item)), wire_errc::truncated) << item;
  }
}

TEST(WireCbor, LimitsNestingAndEntries) {
  EXPECT_FALSE(error_of_item(std::string(32, '\x81') + "\x01"));
  EXPECT_EQ(error_of_item(std::string(33, '\x81') + "\x01"), wire_errc::too_deep);
  EXPECT_FALSE(error_of_item(std::string(31, '\x81') + "\x80"));
  EXPECT_EQ(error_of_item(std::string(100'000, '\x81') + "\x01"), wire_errc::too_deep);
  std::string maps;
  for (int i = 0; i < 10'000; ++i) maps += hex("a1 61 61");
  EXPECT_EQ(error_of_item(maps + "\x01"), wire_errc::too_deep);
  EXPECT_FALSE(error_of_item(hex("9a 00 02 00 00") + std::string(131'072, '\0')));
  EXPECT_EQ(error_of_item(hex("9a 00 02 00 01") + std::string(131'073, '\0')), wire_errc::too_many_entries);
}

TEST(WireCbor, RefusesTrailingBytes) { EXPECT_EQ(error_of_item(hex("01 01")), wire_errc::trailing_bytes); }

std::string from_base64(std::string_view encoded) {
  std::string out;
  unsigned bits = 0;
  int count = 0;
  for (const char c : encoded) {
    const auto value = std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/").find(c);
    bits = bits << 6 | static_cast<unsigned>(value);
    count += 6;
    if (count >= 8) out.push_back(static_cast<char>(bits >> (count -= 8) & 0xff));
  }
  return out;
}

TEST(WireCbor, AcceptsTheInteroperabilityVectors) {
  const auto vectors = nlohmann::json::parse(
      wire_fixture::read_file(TIDE_SOURCE_DIR "/tests/data/atproto-interop/data-model/data-model-fixtures.json"));
  ASSERT_EQ(vectors.size(), 3u);
  for (const auto& vector : vectors) {
    const auto item = from_base64(vector["cbor_base64"].get<std::string>());
    EXPECT_FALSE(error_of_item(item));
    for (std::size_t size = 0; size < item.size(); ++size) EXPECT_TRUE(error_of_item(item.substr(0, size))) << size;
  }
}

TEST(WireFrame, ReadsEveryRecordedFrame) {
  const auto frames = recorded_frames();
  ASSERT_EQ(frames.size(), 2052u);
  std::map<event_type, int> seen;
  std::map<unsigned, std::int64_t> last;
  for (const auto& recorded : frames) {
    const auto frame = decode_frame(bytes_of(recorded.bytes));
    ASSERT_TRUE(frame) << frame.error().message();
    ++seen[frame->type];
    EXPECT_EQ(frame->op, 1);
    EXPECT_TRUE(frame->did.starts_with("did:plc:"));
    ASSERT_TRUE(frame->seq);
    EXPECT_EQ(*frame->seq, ++last[recorded.host]);
    EXPECT_EQ(frame->header.size() + frame->payload.size(), recorded.bytes.size());
    EXPECT_TRUE(validate(frame->header));
    EXPECT_TRUE(validate(frame->payload));
    EXPECT_EQ(recorded.bytes.substr(frame->seq_offset - 4, 4), text("seq"));
  }
  EXPECT_EQ(
      seen,
      (std::map<event_type, int>{
          {event_type::commit, 900}, {event_type::sync, 384}, {event_type::identity, 384}, {event_type::account, 384}}));
}

TEST(WireFrame, RewritesTheSequenceNumberAndNothingElse) {
  const auto frames = recorded_frames();
  for (std::size_t i = 0; i < frames.size(); i += 7) {
    const auto frame = decode_frame(bytes_of(frames[i].bytes)).value();
    for (const std::int64_t seq :
         {std::int64_t{1}, std::int64_t{23}, std::int64_t{24}, std::int64_t{255}, std::int64_t{256}, std::int64_t{65'535},
          std::int64_t{65'536}, std::int64_t{4'294'967'295}, std::int64_t{4'294'967'296}, max_sequence, *frame.seq}) {
      std::vector<std::byte> out(rewritten_size(frame, seq));
      ASSERT_EQ(rewrite_seq(frame, seq, out), out.size());
      const auto again = decode_frame(out);
      ASSERT_TRUE(again) << again.error().message();
      EXPECT_EQ(again->seq, seq);
      const std::string_view rewritten = text_of(out);
      EXPECT_EQ(rewritten.substr(0, again->seq_offset), frames[i].bytes.substr(0, frame.seq_offset));
      EXPECT_EQ(rewritten.substr(again->seq_offset + again->seq_size),
                frames[i].bytes.substr(frame.seq_offset + frame.seq_size));
      EXPECT_EQ(seq == frame.seq, rewritten == frames[i].bytes);
    }
  }
}

TEST(WireFrame, RewriteRefusesWhatItCannotDo) {
  const auto bytes = account("\x01");
  const auto frame = decode_frame(bytes_of(bytes)).value();
  std::vector<std::byte> out(bytes.size());
  EXPECT_EQ(rewrite_seq(frame, 0, out), tide::fail(wire_errc::bad_sequence));
  EXPECT_EQ(rewrite_seq(frame, -1, out), tide::fail(wire_errc::bad_sequence));
  EXPECT_EQ(rewrite_seq(frame, max_sequence + 1, out), tide::fail(wire_errc::bad_sequence));
  EXPECT_EQ(rewrite_seq(frame, 24, out), tide::fail(tide::errc::limit_exceeded));
  EXPECT_TRUE(rewrite_seq(frame, 23, out));
  const auto info = encode_info_frame("OutdatedCursor");
  EXPECT_EQ(rewrite_seq(decode_frame(info).value(), 1, out), tide::fail(wire_errc::no_sequence));
}

TEST(WireFrame, ChecksTheSequenceNumber) {
  EXPECT_EQ(decode_frame(bytes_of(account(hex("1b 00 1f ff ff ff ff ff ff"))))->seq, max_sequence);
  for (const auto* seq :
       {"00", "20", "3b 00 1f ff ff ff ff ff ff", "1b 00 20 00 00 00 00 00 00", "61 31", "f6", "80", "f4"}) {
    EXPECT_EQ(error_of_frame(account(hex(seq))), wire_errc::bad_sequence) << seq;
  }
  EXPECT_EQ(error_of_frame(account(hex("f9 3c 00"))), wire_errc::not_permitted);
  EXPECT_EQ(error_of_frame(account(hex("18 01"))), wire_errc::not_minimal);
  EXPECT_EQ(error_of_frame(account(hex("1b ff ff ff ff ff ff ff ff"))), wire_errc::integer_range);
  EXPECT_EQ(error_of_frame(account_header + "\xa1" + text("did") + text("did:plc:x")), wire_errc::bad_sequence);
}

TEST(WireFrame, ChecksTheAccountItSpeaksOf) {
  EXPECT_EQ(error_of_frame(account_header + "\xa1" + text("seq") + "\x01"), wire_errc::bad_payload);
  EXPECT_EQ(error_of_frame(account_header + "\xa2" + text("did") + "\x01" + text("seq") + "\x01"), wire_errc::bad_payload);
  EXPECT_EQ(error_of_frame(account_header + "\xa2" + text("did") + text("") + text("seq") + "\x01"), wire_errc::bad_payload);
  const auto with_did = [&](std::size_t size) {
    return account_header + "\xa2" + text("did") + hex("79") + static_cast<char>(size >> 8) +
           static_cast<char>(size & 0xff) + std::string(size, 'd') + text("seq") + "\x01";
  };
  EXPECT_FALSE(error_of_frame(with_did(max_did)));
  EXPECT_EQ(error_of_frame(with_did(max_did + 1)), wire_errc::bad_payload);
  const auto commit = commit_header + "\xa2" + text("seq") + "\x01" + text("repo") + text("did:plc:r");
  EXPECT_EQ(decode_frame(bytes_of(commit))->did, "did:plc:r");
  EXPECT_EQ(error_of_frame(commit_header + "\xa2" + text("did") + text("did:plc:r") + text("seq") + "\x01"),
            wire_errc::bad_payload);
}

TEST(WireFrame, ChecksTheHeader) {
  const std::string payload = "\xa0";
  for (const auto& header :
       {hex("80"), hex("01"), hex("60"), hex("f6"), hex("a0"), hex("a1") + text("t") + text("#info"),
        hex("a1") + text("op") + "\x01", hex("a1") + text("op") + text("1"), hex("a1") + text("op") + "\xf6",
        hex("a2") + text("t") + "\x01" + text("op") + "\x01", hex("a2") + text("t") + "\xf6" + text("op") + "\x01"}) {
    EXPECT_EQ(error_of_frame(header + payload), wire_errc::bad_header) << testing::PrintToString(header);
  }
  EXPECT_EQ(error_of_frame(hex("a2") + text("op") + "\x01" + text("t") + text("#info") + payload), wire_errc::bad_key);
  EXPECT_EQ(error_of_frame(hex("bf") + text("op") + "\x01\xff" + payload), wire_errc::indefinite_length);
  EXPECT_EQ(error_of_frame(""), wire_errc::truncated);
}

TEST(WireFrame, OtherOpsAndTypesAreToBeIgnored) {
  for (const auto& header : {hex("a1") + text("op") + "\x02", hex("a1") + text("op") + "\x21",
                             hex("a1") + text("op") + hex("1b 7f ff ff ff ff ff ff ff"),
                             hex("a2") + text("t") + text("#handle") + text("op") + "\x01",
                             hex("a2") + text("t") + text("") + text("op") + "\x01"}) {
    const auto bytes = header + "\xa1" + text("seq") + "\x05";
    const auto frame = decode_frame(bytes_of(bytes));
    ASSERT_TRUE(frame) << testing::PrintToString(header);
    EXPECT_EQ(frame->type, event_type::unknown);
    EXPECT_EQ(frame->seq, 5);
    EXPECT_EQ(error_of_frame(header + "\xa1" + text("seq") + "\xf7"), wire_errc::not_permitted);
    EXPECT_FALSE(error_of_frame(header + "\xa1" + text("seq") + "\x20"));
  }
  const auto extra = hex("a3") + text("t") + text("#account") + text("op") + "\x01" + text("more") + hex("81 a0") +
                     account("\x07").substr(account_header.size());
  EXPECT_EQ(decode_frame(bytes_of(extra))->type, event_type::account);
}

TEST(WireFrame, HoldsTwoItemsTheSecondAMap) {
  EXPECT_EQ(error_of_frame(account_header), wire_errc::truncated);
  EXPECT_EQ(error_of_frame(account("\x01") + "\xa0"), wire_errc::trailing_bytes);
  EXPECT_EQ(error_of_frame(account("\x01") + '\0'), wire_errc::trailing_bytes);
  for (const auto* payload : {"80", "01", "60", "f6", "d8 2a 40"}) {
    EXPECT_EQ(error_of_frame(account_header + hex(payload)), wire_errc::bad_payload) << payload;
  }
}

TEST(WireFrame, NestingCountsTheMapOfTheFrame) {
  const auto nested = [](std::size_t arrays) {
    return account_header + "\xa3" + text("x") + std::string(arrays, '\x81') + "\x01" + text("did") + text("did:plc:x") +
           text("seq") + "\x01";
  };
  EXPECT_FALSE(error_of_frame(nested(31)));
  EXPECT_EQ(error_of_frame(nested(32)), wire_errc::too_deep);
  EXPECT_EQ(error_of_frame(nested(10'000)), wire_errc::too_deep);
}

TEST(WireFrame, LimitsItsSize) {
  const auto frame_of = [](std::size_t size) {
    const auto head = account_header + "\xa4" + text("did") + text("did:plc:x") + text("seq") + "\x01" + text("active") +
                      "\xf5" + text("padding") + "\x5a";
    const std::size_t padding = size - head.size() - 4;
    std::string out = head;
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(padding >> shift & 0xff));
    return out + std::string(padding, 'p');
  };
  EXPECT_EQ(frame_of(4'999'999).size(), 4'999'999u);
  EXPECT_FALSE(error_of_frame(frame_of(4'999'999)));
  EXPECT_FALSE(error_of_frame(frame_of(5'000'000)));
  EXPECT_EQ(error_of_frame(frame_of(5'000'001)), wire_errc::too_large);
}

TEST(WireFrame, EncodesErrorAndInfoFrames) {
  const auto error = encode_error_frame("FutureCursor", "Cursor in the future.");
  EXPECT_EQ(text_of(error), hex("a1 62") + "op" + hex("20 a2") + text("error") + text("FutureCursor") + text("message") +
                                text("Cursor in the future."));
  auto frame = decode_frame(error);
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->type, event_type::error);
  EXPECT_EQ(frame->op, -1);
  EXPECT_EQ(frame->error, "FutureCursor");
  EXPECT_EQ(frame->message, "Cursor in the future.");
  EXPECT_FALSE(frame->seq);

  const auto info = encode_info_frame("OutdatedCursor");
  EXPECT_EQ(text_of(info),
            hex("a2 61") + "t" + text("#info") + text("op") + hex("01 a1") + text("name") + text("OutdatedCursor"));
  frame = decode_frame(info);
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->type, event_type::info);
  EXPECT_EQ(frame->name, "OutdatedCursor");
  EXPECT_EQ(frame->message, "");
  const std::string long_message(300, 'm');
  const auto long_info = encode_info_frame("x", long_message);
  EXPECT_EQ(decode_frame(long_info)->message, long_message);
  EXPECT_EQ(error_of_frame(hex("a1 62") + "op" + hex("20 a0")), wire_errc::bad_payload);
}

/// The first recorded frame of each type.
std::vector<std::string> one_of_each() {
  std::vector<std::string> out;
  std::set<event_type> seen;
  for (const auto& recorded : recorded_frames()) {
    if (seen.insert(decode_frame(bytes_of(recorded.bytes))->type).second) out.push_back(recorded.bytes);
  }
  return out;
}

TEST(WireFrame, EveryPrefixIsRefused) {
  for (const auto& bytes : one_of_each()) {
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_EQ(error_of_frame(bytes.substr(0, size)), wire_errc::truncated) << size;
    }
  }
}

TEST(WireFrame, EveryMutationOfAByteIsReadOrRefused) {
  for (const auto& bytes : one_of_each()) {
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      auto changed = bytes;
      const unsigned step = at < 300 ? 1 : 51;  // all values where the structure is, some in the block bytes
      for (unsigned value = 0; value < 256; value += step) {
        changed[at] = static_cast<char>(value);
        const exact_bytes exact(changed);
        const auto frame = decode_frame(exact.view());
        if (!frame || !frame->seq) continue;
        std::vector<std::byte> out(rewritten_size(*frame, *frame->seq));
        ASSERT_TRUE(rewrite_seq(*frame, *frame->seq, out));
        ASSERT_EQ(text_of(out), changed);
      }
    }
  }
}

}  // namespace
