// Views without the dispatcher. About half of the calls of a graph only say in another way what
// lies in the memory of their operand. Where such a result lies follows from the sizes and strides of
// the operand alone, so it is noted once and made again from the note.

#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <vector>

namespace blowup {

// Where the elements of a tensor lie, as seen from the first element of another one.
struct Layout {
  std::vector<int64_t> sizes;
  std::vector<int64_t> strides;
  int64_t shift;

  static Layout of(const at::Tensor& tensor, const at::Tensor& from) {
    return {tensor.sizes().vec(), tensor.strides().vec(), tensor.storage_offset() - from.storage_offset()};
  }

  bool fits(const at::Tensor& tensor) const {
    return tensor.sizes() == at::IntArrayRef(sizes) && tensor.strides() == at::IntArrayRef(strides);
  }

  at::Tensor in(const at::Tensor& from) const {
    auto made = at::detail::make_tensor<c10::TensorImpl>(c10::TensorImpl::VIEW, c10::Storage(from.storage()),
                                                         from.key_set(), from.dtype());
    made.unsafeGetTensorImpl()->set_sizes_and_strides(sizes, strides, from.storage_offset() + shift);
    return made;
  }
};

// The results of a call that lie in the memory of its only operand.
struct Views {
  Layout operand;
  std::vector<Layout> results;

  // Notes where the results of a call lie. Returns none if one of them is no view of the operand.
  static std::optional<Views> of(const at::Tensor& operand, const std::vector<at::Tensor>& results) {
    Views views{Layout::of(operand, operand), {}};
    for (const at::Tensor& result : results) {
      if (!result.defined() || !result.is_alias_of(operand) || result.dtype() != operand.dtype() ||
          result.key_set() != operand.key_set())
        return std::nullopt;
      views.results.push_back(Layout::of(result, operand));
    }
    return views;
  }
};

}  // namespace blowup
