#include "tests/goodput/theory.h"

#include <algorithm>
#include <cmath>

#include "kernel/sim/random.h"

namespace sockbed::goodput {
namespace {

constexpr int kLosses = 20000;
constexpr double kStepsPerRoundTrip = 16;

// CUBIC (RFC 9438).
constexpr double kC = 0.4;
constexpr double kBeta = 0.7;
constexpr double kAlpha = 3 * (1 - kBeta) / (1 + kBeta);

class Window {
 public:
  explicit Window(const ModelCase& model) : model_(model), size_(std::min(model.limit, 10.0)) {
    Begin();
  }

  double size() const { return size_; }

  void Grow(double dt) {
    const double rounds = dt / model_.round_trip;
    if (model_.algorithm == Algorithm::kNewReno) {
      size_ += rounds * (model_.per_ack ? 0.5 : 1);
    } else {
      time_ += dt;
      reno_ += rounds * (reno_ < before_ ? kAlpha : 1);
      // It aims a round trip ahead.
      const double ahead = time_ + model_.round_trip - k_;
      const double target = std::clamp(max_ + kC * ahead * ahead * ahead, size_, 1.5 * size_);
      size_ = std::max(reno_, size_ + (target - size_) * rounds);
    }
    size_ = std::min(size_, model_.limit);
  }

  void Lose() {
    if (model_.algorithm == Algorithm::kNewReno) {
      size_ = std::max(size_ / 2, 2.0);
      return;
    }
    before_ = size_;
    max_ = size_ < max_ ? size_ * (1 + kBeta) / 2 : size_;  // fast convergence
    size_ = std::max(size_ * kBeta, 2.0);
    Begin();
  }

 private:
  void Begin() {
    time_ = 0;
    reno_ = size_;
    max_ = std::max(max_, size_);
    k_ = std::cbrt(std::max(max_ - size_, 0.0) / kC);
  }

  const ModelCase model_;
  double size_;
  double max_ = 0, before_ = 0, reno_ = 0, k_ = 0, time_ = 0;
};

}  // namespace

double MathisWindow(double p, bool random, bool per_ack) {
  const double c = random ? (per_ack ? 0.93 : 1.31) : (per_ack ? 0.87 : 1.22);
  return c / std::sqrt(p);
}

double CubicWindow(double p, double round_trip) {
  const double c = kC * (3 + kBeta) / (4 * (1 - kBeta));
  return std::pow(c, 0.25) * std::pow(round_trip / p, 0.75);
}

double ModelWindow(const ModelCase& model) {
  Stream draws(1, Site::kProgram, 2, 0);
  Window window(model);
  const double dt = model.round_trip / kStepsPerRoundTrip;
  double segments = 0, steps = 0;
  for (int loss = 0; loss < kLosses; ++loss) {
    const double u = (static_cast<double>(draws.Next32()) + 1) / 4294967296.0;
    double until = model.random ? -std::log(u) / model.p : 1 / model.p;
    while (until > 0) {
      const double sent = window.size() / kStepsPerRoundTrip;
      until -= sent;
      segments += sent;
      ++steps;
      window.Grow(dt);
    }
    window.Lose();
  }
  return segments / steps * kStepsPerRoundTrip;
}

}  // namespace sockbed::goodput
