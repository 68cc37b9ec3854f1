// What a sender's rate should be, by arithmetic alone.
//
// Lives here:  Algorithm, MathisWindow, ModelWindow.
// Called by:   goodput_test, bulk.cc.
// Units:       windows in segments, probabilities of loss per segment, seconds.
// Source:      Mathis, Semke, Mahdavi, Ott: The Macroscopic Behavior of the TCP Congestion
//              Avoidance Algorithm (1997), table 1; RFC 9438 4 and 5.1.
#ifndef SOCKBED_TESTS_GOODPUT_THEORY_H_
#define SOCKBED_TESTS_GOODPUT_THEORY_H_

#include <cstdint>

namespace sockbed::goodput {

enum class Algorithm : int64_t { kNewReno = 0, kCubic = 1 };

// The mean window, C / sqrt(p). `random`: losses are independent, else every (1/p)-th segment is
// lost. `per_ack`: the window grows with every ACK of two segments, not with every segment.
double MathisWindow(double p, bool random, bool per_ack);

// RFC 9438 figure 5: the mean window where every (1/p)-th segment is lost, in CUBIC's own region.
double CubicWindow(double p, double round_trip);

// How windows grow and shrink, as the RFCs have it, with nothing of a protocol around it: no
// timeouts, no recovery, no granularity. The mean window over many losses, at most `limit`.
// Agrees with the two formulas above where they hold; speaks for random losses, for CUBIC's
// Reno-friendly region, and near the limit as well.
struct ModelCase {
  Algorithm algorithm = Algorithm::kNewReno;
  double p = 0;
  double round_trip = 0;
  double limit = 0;
  bool random = true;
  bool per_ack = false;  // NewReno
};
double ModelWindow(const ModelCase& model);

}  // namespace sockbed::goodput

#endif  // SOCKBED_TESTS_GOODPUT_THEORY_H_
