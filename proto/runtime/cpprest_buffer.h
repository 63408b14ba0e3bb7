#pragma once
/// Internal to cpprest_client.cpp: where the library puts the body of a response.
#include <cpprest/rawptrstream.h>

#include <string_view>
#include <utility>

namespace fairlead::runtime {

/// Pushes what is read of a response to `sink`, in the pool; the next read waits for the sink's task.
template <class Sink>
class PushBuffer : public Concurrency::streams::details::streambuf_state_manager<std::uint8_t> {
  using Base = Concurrency::streams::details::streambuf_state_manager<std::uint8_t>;

 public:
  using typename Base::int_type;
  using typename Base::off_type;
  using typename Base::pos_type;
  using typename Base::traits;

  explicit PushBuffer(Sink sink) : Base(std::ios_base::out), sink_(std::move(sink)) {}
  bool can_seek() const override { return false; }
  bool has_size() const override { return false; }
  utility::size64_t size() const override { return 0; }
  std::size_t in_avail() const override { return 0; }
  std::size_t buffer_size(std::ios_base::openmode) const override { return 0; }
  void set_buffer_size(std::size_t, std::ios_base::openmode) override {}
  pos_type getpos(std::ios_base::openmode) const override { return pos_type(traits::eof()); }
  pos_type seekpos(pos_type, std::ios_base::openmode) override { return pos_type(traits::eof()); }
  pos_type seekoff(off_type, std::ios_base::seekdir, std::ios_base::openmode) override { return pos_type(traits::eof()); }
  bool acquire(std::uint8_t*& pointer, std::size_t& count) override {
    pointer = nullptr;
    count = 0;
    return false;
  }
  void release(std::uint8_t*, std::size_t) override {}

 protected:
  pplx::task<std::size_t> _putn(const std::uint8_t* bytes, std::size_t count) override {
    try {
      return sink_(std::string_view(reinterpret_cast<const char*>(bytes), count));
    } catch (...) {  // out of here it would end the process
      return pplx::task_from_exception<std::size_t>(std::current_exception());
    }
  }
  pplx::task<int_type> _putc(std::uint8_t byte) override {
    return _putn(&byte, 1).then([byte](std::size_t) { return static_cast<int_type>(byte); });
  }
  pplx::task<bool> _sync() override { return pplx::task_from_result(true); }
  std::uint8_t* _alloc(std::size_t) override { return nullptr; }
  void _commit(std::size_t) override {}
  pplx::task<int_type> _bumpc() override { return end(); }
  pplx::task<int_type> _getc() override { return end(); }
  pplx::task<int_type> _nextc() override { return end(); }
  pplx::task<int_type> _ungetc() override { return end(); }
  int_type _sbumpc() override { return traits::eof(); }
  int_type _sgetc() override { return traits::eof(); }
  pplx::task<std::size_t> _getn(std::uint8_t*, std::size_t) override { return pplx::task_from_result<std::size_t>(0); }
  std::size_t _scopy(std::uint8_t*, std::size_t) override { return 0; }

 private:
  static pplx::task<int_type> end() { return pplx::task_from_result<int_type>(traits::eof()); }
  Sink sink_;
};

}  // namespace fairlead::runtime
