#include "tools/pcapng.h"

#include <errno.h>

#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sockbed::tools {
namespace {

constexpr uint32_t kSectionHeader = 0x0A0D0D0A;
constexpr uint32_t kInterfaceDescription = 1;
constexpr uint32_t kEnhancedPacket = 6;
constexpr uint32_t kDecryptionSecrets = 10;
constexpr uint32_t kTlsKeyLog = 0x544C534B;

constexpr uint16_t kOptionEnd = 0;
constexpr uint16_t kOptionComment = 1;
constexpr uint16_t kOptionInterfaceName = 2;
constexpr uint16_t kOptionPacketFlags = 2;
constexpr uint16_t kOptionTimeResolution = 9;

template <typename T>
void Put(std::string* out, T value) {
  // Little-endian whatever the machine is: a capture is compared byte for byte.
  for (size_t i = 0; i < sizeof(T); ++i) {
    out->push_back(static_cast<char>(static_cast<uint64_t>(value) >> (8 * i)));
  }
}

void PutPadded(std::string* out, absl::string_view bytes) {
  out->append(bytes.data(), bytes.size());
  out->append((4 - bytes.size() % 4) % 4, '\0');
}

void PutOption(std::string* out, uint16_t code, absl::string_view value) {
  Put<uint16_t>(out, code);
  Put<uint16_t>(out, static_cast<uint16_t>(value.size()));
  PutPadded(out, value);
}

// Starts a block of `type`; EndBlock fills in the length.
void BeginBlock(std::string* out, uint32_t type) {
  out->clear();
  Put<uint32_t>(out, type);
  Put<uint32_t>(out, 0);
}

void EndBlock(std::string* out) {
  const auto length = static_cast<uint32_t>(out->size() + 4);
  Put<uint32_t>(out, length);
  for (int i = 0; i < 4; ++i)
    (*out)[static_cast<size_t>(4 + i)] = static_cast<char>(length >> (8 * i));
}

std::string SectionBlock() {
  std::string block;
  BeginBlock(&block, kSectionHeader);
  Put<uint32_t>(&block, 0x1A2B3C4D);  // byte order
  Put<uint16_t>(&block, 1);           // version 1.0
  Put<uint16_t>(&block, 0);
  Put<uint64_t>(&block, UINT64_MAX);  // section length: not given
  EndBlock(&block);
  return block;
}

std::string InterfaceBlock(absl::string_view name, PcapngWriter::LinkType type) {
  std::string block;
  BeginBlock(&block, kInterfaceDescription);
  Put<uint16_t>(&block, static_cast<uint16_t>(type));
  Put<uint16_t>(&block, 0);
  Put<uint32_t>(&block, 0);  // no snap length
  PutOption(&block, kOptionInterfaceName, name);
  PutOption(&block, kOptionTimeResolution, absl::string_view("\x09", 1));  // 10^-9 s
  PutOption(&block, kOptionEnd, "");
  EndBlock(&block);
  return block;
}

std::string SecretsBlock(absl::string_view key_log) {
  std::string block;
  BeginBlock(&block, kDecryptionSecrets);
  Put<uint32_t>(&block, kTlsKeyLog);
  Put<uint32_t>(&block, static_cast<uint32_t>(key_log.size()));
  PutPadded(&block, key_log);
  EndBlock(&block);
  return block;
}

absl::Status FileError(absl::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", what, " ", path));
}

bool WriteAll(std::FILE* file, absl::string_view bytes) {
  return std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
}

}  // namespace

absl::StatusOr<std::unique_ptr<PcapngWriter>> PcapngWriter::Create(std::string path,
                                                                   std::string interface,
                                                                   LinkType type) {
  FilePtr spool(std::fopen(absl::StrCat(path, ".part").c_str(), "w+b"));
  if (spool == nullptr) return FileError("write", path);
  return std::unique_ptr<PcapngWriter>(
      new PcapngWriter(std::move(path), std::move(interface), type, std::move(spool)));
}

PcapngWriter::PcapngWriter(std::string path, std::string interface, LinkType type, FilePtr spool)
    : path_(std::move(path)),
      spool_path_(absl::StrCat(path_, ".part")),
      interface_(std::move(interface)),
      type_(type),
      spool_(std::move(spool)) {}

PcapngWriter::~PcapngWriter() {
  if (spool_ != nullptr) std::remove(spool_path_.c_str());
}

void PcapngWriter::Add(SimTime when, std::span<const std::byte> packet, bool outbound,
                       absl::string_view comment) {
  const uint64_t stamp = static_cast<uint64_t>(kBootEpochSeconds * kSecond + when);
  BeginBlock(&block_, kEnhancedPacket);
  Put<uint32_t>(&block_, 0);  // the one interface
  Put<uint32_t>(&block_, static_cast<uint32_t>(stamp >> 32));
  Put<uint32_t>(&block_, static_cast<uint32_t>(stamp));
  Put<uint32_t>(&block_, static_cast<uint32_t>(packet.size()));
  Put<uint32_t>(&block_, static_cast<uint32_t>(packet.size()));
  PutPadded(&block_, {reinterpret_cast<const char*>(packet.data()), packet.size()});
  std::string flags;
  Put<uint32_t>(&flags, outbound ? 2 : 1);  // 1 inbound, 2 outbound
  PutOption(&block_, kOptionPacketFlags, flags);
  if (!comment.empty()) PutOption(&block_, kOptionComment, comment);
  PutOption(&block_, kOptionEnd, "");
  EndBlock(&block_);
  failed_ = failed_ || !WriteAll(spool_.get(), block_);
}

absl::Status PcapngWriter::CopySpool(std::FILE* out) {
  std::rewind(spool_.get());
  std::array<char, 1 << 16> buffer;
  size_t n = 0;
  while ((n = std::fread(buffer.data(), 1, buffer.size(), spool_.get())) > 0) {
    if (!WriteAll(out, {buffer.data(), n})) return FileError("write", path_);
  }
  return std::ferror(spool_.get()) != 0 ? FileError("read", spool_path_) : absl::OkStatus();
}

absl::Status PcapngWriter::Finish(absl::string_view key_log) {
  if (failed_ || std::fflush(spool_.get()) != 0) return FileError("write", spool_path_);
  FilePtr out(std::fopen(path_.c_str(), "wb"));
  if (out == nullptr) return FileError("write", path_);
  bool ok = WriteAll(out.get(), SectionBlock()) &&
            WriteAll(out.get(), InterfaceBlock(interface_, type_));
  if (!key_log.empty()) ok = ok && WriteAll(out.get(), SecretsBlock(key_log));
  if (!ok) return FileError("write", path_);
  if (absl::Status copied = CopySpool(out.get()); !copied.ok()) return copied;
  if (std::fclose(out.release() /*taken*/) != 0) return FileError("write", path_);
  spool_.reset();
  std::remove(spool_path_.c_str());
  return absl::OkStatus();
}

}  // namespace sockbed::tools
