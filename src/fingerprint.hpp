// A hash of 64 bits, to tell contents apart.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace cuebm::detail {

// FNV-1a (G. Fowler, L. C. Noll and K.-P. Vo): chance differences, not those of people who mean harm.
class Fingerprint {
public:
    template <class Value>
    void add(const std::vector<Value>& values) {
        for (const Value& value : values) add(value);
    }
    template <class Value>
    void add(const Value& value) {
        unsigned char bytes[sizeof value];
        std::memcpy(bytes, &value, sizeof value);
        for (const unsigned char byte : bytes) hash_ = (hash_ ^ byte) * 0x100000001b3u;
    }
    std::uint64_t value() const { return hash_; }

private:
    std::uint64_t hash_ = 0xcbf29ce484222325u;
};

inline std::uint64_t fingerprint_of_bytes(std::string_view bytes) {
    Fingerprint print;
    for (const char byte : bytes) print.add(byte);
    return print.value();
}

}  // namespace cuebm::detail
