#include "tools/run_outputs.h"

#include <errno.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernel/mbuf/chain.h"
#include "kernel/net/link.h"

namespace sockbed::tools {
namespace {

absl::Status WriteError(const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
}

const char* CommentOf(PacketFate fate) {
  switch (fate) {
    case PacketFate::kDroppedByLoss: return "dropped by the link (loss)";
    case PacketFate::kDroppedByQueue: return "dropped: the transmit queue was full";
    case PacketFate::kCorrupted: return "one bit flips on the way";
    case PacketFate::kTruncated: return "its end is missing at arrival";
    case PacketFate::kDuplicated: return "delivered twice";
    case PacketFate::kReordered: return "held back, others overtake it";
    case PacketFate::kSent:
    case PacketFate::kDelivered: return "";
  }
  return "";
}

// A file that is written once, front to back.
class OutputFile {
 public:
  explicit OutputFile(std::string path)
      : path_(std::move(path)), file_(fopen(path_.c_str(), "wb")) {}
  ~OutputFile() {
    if (file_ != nullptr) fclose(file_);
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  bool open() const { return file_ != nullptr; }
  absl::Status Error() const { return WriteError(path_); }
  void Write(const std::string& text) {
    if (fwrite(text.data(), 1, text.size(), file_) != text.size()) failed_ = true;
  }
  absl::Status Close() {
    if (fclose(std::exchange(file_, nullptr)) != 0) failed_ = true;
    return failed_ ? Error() : absl::OkStatus();
  }

 private:
  const std::string path_;
  FILE* file_;
  bool failed_ = false;
};

}  // namespace

std::string TracePath(const std::string& folder) { return folder + "/trace.txt"; }
std::string DigestsPath(const std::string& folder) { return folder + "/digests.txt"; }

// Writes each record as a line.
class RunOutputs::TraceFile : public TraceSink {
 public:
  TraceFile(std::string path, const Trace& trace) : trace_(trace), file_(std::move(path)) {}

  void Consume(std::span<const Record> records) override {
    for (const Record& record : records) {
      file_.Write(trace_.Format(record));
      file_.Write("\n");
    }
  }
  OutputFile& file() { return file_; }

 private:
  const Trace& trace_;
  OutputFile file_;
};

// Writes each packet that is handed to a link, marked with what became of it.
class RunOutputs::CaptureTap : public PacketTap {
 public:
  explicit CaptureTap(std::unique_ptr<PcapngWriter> writer) : writer_(std::move(writer)) {}

  void OnPacket(const TappedPacket& tapped) override {
    if (tapped.fate == PacketFate::kDelivered) return;
    const int length = tapped.packet->m_pkthdr.len;
    bytes_.resize(static_cast<size_t>(length));
    m_copydata(tapped.packet, 0, length, bytes_.data());
    writer_->Add(tapped.time, bytes_, tapped.direction == 0, CommentOf(tapped.fate));
  }
  absl::Status Finish(const std::string& key_log) { return writer_->Finish(key_log); }

 private:
  std::unique_ptr<PcapngWriter> writer_;
  std::vector<std::byte> bytes_;  // reused for every packet
};

RunOutputs::RunOutputs(std::string folder, Simulation& simulation)
    : folder_(std::move(folder)), simulation_(simulation) {}

RunOutputs::~RunOutputs() {
  simulation_.trace().set_sink(nullptr);
  // The link of the last one may not have come to be.
  for (size_t i = 0; i < std::min(captures_.size(), simulation_.links().size()); ++i) {
    simulation_.links()[i]->RemoveTap(captures_[i].get());
  }
}

absl::StatusOr<std::unique_ptr<RunOutputs>> RunOutputs::Open(const std::string& folder,
                                                             Simulation& simulation) {
  if (mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST) return WriteError(folder);
  std::unique_ptr<RunOutputs> outputs(new RunOutputs(folder, simulation));
  outputs->trace_ = std::make_unique<TraceFile>(TracePath(folder), simulation.trace());
  if (!outputs->trace_->file().open()) return WriteError(TracePath(folder));
  simulation.trace().set_sink(outputs->trace_.get());
  return outputs;
}

absl::StatusOr<PacketTap*> RunOutputs::AddCapture(const std::string& link_name, bool ethernet) {
  auto writer = PcapngWriter::Create(
      absl::StrCat(folder_, "/", link_name, ".pcapng"), link_name,
      ethernet ? PcapngWriter::LinkType::kEthernet : PcapngWriter::LinkType::kRawIp);
  if (!writer.ok()) return writer.status();
  captures_.push_back(std::make_unique<CaptureTap>(*std::move(writer)));
  return captures_.back().get();
}

absl::Status RunOutputs::WriteDigests() {
  OutputFile file(DigestsPath(folder_));
  if (!file.open()) return file.Error();
  Trace& trace = simulation_.trace();
  file.Write(absl::StrCat("records ", trace.last_id(), "\n"));
  file.Write(absl::StrCat("every ", Trace::kCheckpointRecords, "\n"));
  for (const Digest& digest : trace.checkpoints()) file.Write(digest.ToString() + "\n");
  file.Write(trace.digest().ToString() + "\n");
  return file.Close();
}

absl::Status RunOutputs::Finish(const std::string& key_log) {
  simulation_.trace().Flush();
  simulation_.trace().set_sink(nullptr);
  absl::Status status = trace_->file().Close();
  status.Update(WriteDigests());
  for (auto& capture : captures_) status.Update(capture->Finish(key_log));
  OutputFile keys(folder_ + "/keys.log");
  if (!keys.open()) return keys.Error();
  keys.Write(key_log);
  status.Update(keys.Close());
  return status;
}

}  // namespace sockbed::tools
