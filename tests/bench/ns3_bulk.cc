#include "tests/bench/ns3_bulk.h"

#if !__has_include(<ns3/core-module.h>)
#error "this needs ns-3: apt-get install --no-install-recommends libns3-dev"
#endif
#include <ns3/applications-module.h>
#include <ns3/core-module.h>
#include <ns3/internet-module.h>
#include <ns3/network-module.h>
#include <ns3/point-to-point-module.h>

#include <string>

namespace sockbed {

class Ns3Bulk::Network {
 public:
  explicit Network(const Ns3BulkOptions& options) {
    using ns3::Config::SetDefault;
    SetDefault("ns3::TcpSocket::SegmentSize", ns3::UintegerValue(options.segment_bytes));
    SetDefault("ns3::TcpSocket::SndBufSize", ns3::UintegerValue(options.buffer_bytes));
    SetDefault("ns3::TcpSocket::RcvBufSize", ns3::UintegerValue(options.buffer_bytes));
    nodes_.Create(2);
    const ns3::NetDeviceContainer devices = Link(options);
    ns3::InternetStackHelper().Install(nodes_);
    ns3::Ipv4AddressHelper addresses("10.0.0.0", "255.255.255.0");
    const ns3::InetSocketAddress sink(addresses.Assign(devices).GetAddress(1), kPort);
    ns3::PacketSinkHelper("ns3::TcpSocketFactory", sink).Install(nodes_.Get(1));
    ns3::BulkSendHelper source("ns3::TcpSocketFactory", sink);
    source.SetAttribute("SendSize", ns3::UintegerValue(options.write_bytes));
    source.Install(nodes_.Get(0)).Start(ns3::MilliSeconds(1));  // the sink listens by then
    devices.Get(0)->TraceConnectWithoutContext("MacTx", ns3::MakeCallback(&Network::Sent, this));
  }
  ~Network() { ns3::Simulator::Destroy(); }

  void Run(int64_t segments) {
    target_ = segments_sent_ + segments;
    ns3::Simulator::Run();
  }
  int64_t bytes_sent() const { return bytes_sent_; }

 private:
  static constexpr uint16_t kPort = 5001;
  static constexpr uint32_t kHeaderBytes = 52;  // of IP and TCP, with timestamps

  ns3::NetDeviceContainer Link(const Ns3BulkOptions& options) {
    ns3::PointToPointHelper link;
    link.SetDeviceAttribute("DataRate", ns3::DataRateValue(ns3::DataRate(options.rate_bps)));
    link.SetChannelAttribute("Delay", ns3::TimeValue(ns3::MilliSeconds(options.latency_ms)));
    link.SetQueue("ns3::DropTailQueue", "MaxSize",
                  ns3::StringValue(std::to_string(options.queue_packets) + "p"));
    return link.Install(nodes_);
  }

  void Sent(ns3::Ptr<const ns3::Packet> packet) {
    if (packet->GetSize() <= 2 * kHeaderBytes) return;  // opens the connection
    bytes_sent_ += packet->GetSize() - kHeaderBytes;
    if (++segments_sent_ == target_) ns3::Simulator::Stop();
  }

  ns3::NodeContainer nodes_;
  int64_t segments_sent_ = 0, bytes_sent_ = 0, target_ = 0;
};

Ns3Bulk::Ns3Bulk(const Ns3BulkOptions& options) : network_(std::make_unique<Network>(options)) {}
Ns3Bulk::~Ns3Bulk() = default;

void Ns3Bulk::operator()(int64_t segments) { network_->Run(segments); }

int64_t Ns3Bulk::bytes_sent() const { return network_->bytes_sent(); }

int64_t Ns3Bulk::now_ns() const { return ns3::Simulator::Now().GetNanoSeconds(); }

}  // namespace sockbed
