// Runs a graph of libtorch's operators through the dispatcher, without Python and without autograd.
// `dispatch.rs` is the other side of the functions at the end: it builds a graph call by call and
// runs it. Every exception ends here and becomes a text, which the caller frees.

#include "view.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/InferenceMode.h>

#include <malloc.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace {

using c10::IValue;

// What an argument is. The numbers are those of `Tag` in dispatch.rs.
enum class Tag : int32_t {
  None,
  Tensor,
  Tensors,
  Int,
  Ints,
  Float,
  Floats,
  Bool,
  Bools,
  NumberInt,
  NumberFloat,
  NumberBool,
  ScalarInts,
  ScalarFloats,
  ScalarBools,
  String,
  Device,
};

// An integer that may depend on the number of lanes: c + k * lanes.
struct Affine {
  int64_t c;
  int64_t k;
  int64_t at(int64_t lanes) const { return c + k * lanes; }
};

// An argument as Rust hands it over. Its arrays live until the call returns.
struct Argument {
  Tag tag;
  // A value, an integer, a truth, or the lengths of the arrays.
  Affine integer;
  double real;
  const Affine* integers;
  const double* reals;
  const char* text;
};

// A place in the stack of a call that is filled anew in every run.
struct Filled {
  size_t place;
  // A value, or the values of a list, of which -1 is an absent one.
  std::vector<int64_t> values;
  bool list;
  bool optional;
};

// A place in the stack that depends on the number of lanes.
struct PerLane {
  size_t place;
  std::vector<Affine> integers;
  bool list;
};

struct Call {
  c10::OperatorHandle op;
  bool each;
  // The stack before the call. What every run fills is empty here.
  std::vector<IValue> stack;
  std::vector<Filled> filled;
  std::vector<PerLane> per_lane;
  std::vector<int64_t> results;
  // The values that nothing needs after this call.
  std::vector<int64_t> dead;
  // Whether it reads no input, directly or through other calls: its results are the same in every run
  // for the same number of lanes, and stay.
  bool fixed = false;
  // Where its results lie in the memory of its operand, once that is known (`noted`).
  std::optional<blowup::Views> views = {};
  bool noted = false;

  // Its operand, if it has just one.
  std::optional<int64_t> operand() const {
    const bool one = !each && filled.size() == 1 && !filled[0].list;
    return one ? std::optional<int64_t>(filled[0].values[0]) : std::nullopt;
  }
};

// The number that stands where a schema has a tensor, as Python's numbers do.
at::Tensor wrapped(const at::Scalar& number) {
  auto tensor = at::scalar_tensor(number, at::device(at::kCPU).dtype(number.type()));
  tensor.unsafeGetTensorImpl()->set_wrapped_number(true);
  return tensor;
}

char* text_of(const std::string& text) {
  char* copy = static_cast<char*>(std::malloc(text.size() + 1));
  std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

// Whether an argument is a list of tensors of which some may be absent.
bool may_lack_some(const c10::Argument& argument) {
  auto type = argument.type();
  if (auto optional = type->cast<c10::OptionalType>()) type = optional->getElementType();
  auto list = type->cast<c10::ListType>();
  return list && list->getElementType()->kind() == c10::TypeKind::OptionalType;
}

// Whether all elements are finite (0), or which others there are: infinities (1), or a NaN (2).
uint8_t kind_of(const at::Tensor& tensor) {
  if (!tensor.defined() || !(tensor.is_floating_point() || tensor.is_complex())) return 0;
  if (at::isfinite(tensor).all().item<bool>()) return 0;
  return at::isnan(tensor).any().item<bool>() ? 2 : 1;
}

struct Graph {
  std::vector<Call> calls;
  std::vector<at::Tensor> values;
  // Which values are results of fixed calls.
  std::vector<bool> stays;
  int64_t lanes = -1;
  c10::Device device = c10::Device(c10::kCPU);

  void add(const c10::OperatorHandle& op, bool each, const Argument* arguments, size_t count,
           const int64_t* results, size_t result_count) {
    const size_t wanted = op.schema().arguments().size();
    if (count != wanted)
      throw std::runtime_error("it has " + std::to_string(count) + " arguments, and the operator takes " +
                               std::to_string(wanted));
    Call call{op, each, {}, {}, {}, std::vector<int64_t>(results, results + result_count), {}};
    for (size_t place = 0; place < count; place++) {
      call.stack.emplace_back();
      fill(call, place, arguments[place]);
    }
    calls.push_back(std::move(call));
  }

  void fill(Call& call, size_t place, const Argument& argument) {
    IValue& to = call.stack[place];
    const size_t size = static_cast<size_t>(argument.integer.c);
    switch (argument.tag) {
      case Tag::None:
        return;
      case Tag::Tensor:
        call.filled.push_back({place, {argument.integer.c}, false, false});
        return;
      case Tag::Tensors: {
        Filled filled{place, {}, true, may_lack_some(call.op.schema().arguments()[place])};
        for (size_t i = 0; i < size; i++) {
          filled.values.push_back(argument.integers[i].c);
          if (filled.values.back() < 0 && !filled.optional)
            throw std::runtime_error("it leaves out a tensor of a list that must be whole");
        }
        call.filled.push_back(std::move(filled));
        return;
      }
      case Tag::Int:
        if (argument.integer.k != 0)
          call.per_lane.push_back({place, {argument.integer}, false});
        else
          to = argument.integer.c;
        return;
      case Tag::Ints: {
        bool varies = false;
        c10::List<int64_t> list;
        for (size_t i = 0; i < size; i++) {
          varies |= argument.integers[i].k != 0;
          list.push_back(argument.integers[i].c);
        }
        if (varies)
          call.per_lane.push_back({place, {argument.integers, argument.integers + size}, true});
        else
          to = std::move(list);
        return;
      }
      case Tag::Float:
        to = argument.real;
        return;
      case Tag::Floats: {
        c10::List<double> list;
        for (size_t i = 0; i < size; i++) list.push_back(argument.reals[i]);
        to = std::move(list);
        return;
      }
      case Tag::Bool:
        to = argument.integer.c != 0;
        return;
      case Tag::Bools: {
        c10::List<bool> list;
        for (size_t i = 0; i < size; i++) list.push_back(argument.integers[i].c != 0);
        to = std::move(list);
        return;
      }
      case Tag::NumberInt:
        to = wrapped(at::Scalar(argument.integer.c));
        return;
      case Tag::NumberFloat:
        to = wrapped(at::Scalar(argument.real));
        return;
      case Tag::NumberBool:
        to = wrapped(at::Scalar(argument.integer.c != 0));
        return;
      case Tag::ScalarInts:
      case Tag::ScalarFloats:
      case Tag::ScalarBools: {
        c10::List<at::Scalar> list;
        for (size_t i = 0; i < size; i++) {
          if (argument.tag == Tag::ScalarInts) list.push_back(at::Scalar(argument.integers[i].c));
          if (argument.tag == Tag::ScalarFloats) list.push_back(at::Scalar(argument.reals[i]));
          if (argument.tag == Tag::ScalarBools) list.push_back(at::Scalar(argument.integers[i].c != 0));
        }
        to = std::move(list);
        return;
      }
      case Tag::String:
        to = std::string(argument.text);
        return;
      case Tag::Device:
        to = device;
        return;
    }
    throw std::runtime_error("an argument of an unknown kind");
  }

  // Notes after which call each value is needed no more. `kept` are needed to the end.
  void finish(size_t inputs, const int64_t* kept, size_t kept_count) {
    size_t count = inputs;
    for (const Call& call : calls) count += call.results.size();
    values.resize(count);
    find_fixed(count);
    std::vector<size_t> last(count, SIZE_MAX);
    for (size_t at = 0; at < calls.size(); at++) {
      for (int64_t value : calls[at].results) last[value] = at;
      for (const Filled& filled : calls[at].filled)
        for (int64_t value : filled.values)
          if (value >= 0) last[value] = at;
    }
    for (size_t i = 0; i < kept_count; i++) last[kept[i]] = SIZE_MAX;
    for (size_t value = 0; value < count; value++)
      if (last[value] != SIZE_MAX && !stays[value]) calls[last[value]].dead.push_back(static_cast<int64_t>(value));
  }

  void find_fixed(size_t count) {
    stays.assign(count, false);
    for (Call& call : calls) {
      call.fixed = true;
      for (const Filled& filled : call.filled)
        for (int64_t value : filled.values) call.fixed &= value < 0 || stays[value];
      for (int64_t value : call.results) stays[value] = call.fixed;
    }
  }

  // Makes the graph one for `count` lanes, with the results of its fixed calls.
  void specialise(int64_t count, torch::jit::Stack& stack) {
    if (lanes == count) return;
    lanes = -1;
    for (Call& call : calls) {
      for (const PerLane& varies : call.per_lane) {
        if (!varies.list) {
          call.stack[varies.place] = varies.integers[0].at(count);
          continue;
        }
        c10::List<int64_t> list;
        for (const Affine& integer : varies.integers) list.push_back(integer.at(count));
        call.stack[varies.place] = std::move(list);
      }
      call.noted = false;
      call.views.reset();
    }
    for (const Call& call : calls)
      if (call.fixed) execute(stack, call, count);
    lanes = count;
  }

  void push(torch::jit::Stack& stack, const Call& call) {
    stack.clear();
    stack.insert(stack.end(), call.stack.begin(), call.stack.end());
    for (const Filled& filled : call.filled) {
      if (!filled.list) {
        stack[filled.place] = defined(filled.values[0]);
      } else if (filled.optional) {
        c10::List<std::optional<at::Tensor>> list;
        for (int64_t value : filled.values)
          list.push_back(value < 0 ? std::optional<at::Tensor>() : defined(value));
        stack[filled.place] = std::move(list);
      } else {
        c10::List<at::Tensor> list;
        for (int64_t value : filled.values) list.push_back(defined(value));
        stack[filled.place] = std::move(list);
      }
    }
  }

  const at::Tensor& defined(int64_t value) const {
    if (!values[value].defined()) throw std::runtime_error("a call reads what an operator left undefined");
    return values[value];
  }

  // Calls an operator that has no form for several lanes once for each lane.
  void call_each(torch::jit::Stack& stack, const Call& call, int64_t count) {
    const torch::jit::Stack all = stack;
    std::vector<std::vector<at::Tensor>> parts(call.results.size());
    for (int64_t lane = 0; lane < count; lane++) {
      stack = all;
      for (const Filled& filled : call.filled) {
        IValue& argument = stack[filled.place];
        if (!filled.list) {
          argument = argument.toTensor().select(0, lane);
        } else if (filled.optional) {
          c10::List<std::optional<at::Tensor>> list;
          for (int64_t value : filled.values)
            list.push_back(value < 0 ? std::optional<at::Tensor>() : values[value].select(0, lane));
          argument = std::move(list);
        } else {
          c10::List<at::Tensor> list;
          for (int64_t value : filled.values) list.push_back(values[value].select(0, lane));
          argument = std::move(list);
        }
      }
      call.op.callBoxed(stack);
      if (stack.size() == 1 && stack[0].isTensorList()) stack = spread(stack[0]);
      if (stack.size() < parts.size()) throw std::runtime_error("an operator gives fewer results than the graph has");
      for (size_t i = 0; i < parts.size(); i++) parts[i].push_back(stack[i].toTensor());
    }
    stack.clear();
    for (const auto& part : parts) stack.emplace_back(at::stack(part));
  }

  static torch::jit::Stack spread(const IValue& list) {
    torch::jit::Stack stack;
    for (at::Tensor tensor : list.toTensorVector()) stack.emplace_back(std::move(tensor));
    return stack;
  }

  // The elements of a lane that lie together. Where lanes stand inside of another dimension, as in
  // the channels of a convolution, these are fewer than the lane has.
  int64_t block_of(const at::Tensor& tensor) const {
    if (!tensor.defined() || tensor.dim() == 0 || lanes == 0) return 0;
    const int64_t own = tensor.numel() / lanes;
    return tensor.size(0) == lanes || tensor.size(0) == 0 ? own : own / tensor.size(0);
  }

  // Calls an operator, which sets its results.
  void execute(torch::jit::Stack& stack, const Call& call, int64_t count) {
    push(stack, call);
    if (call.each) {
      call_each(stack, call, count);
    } else {
      call.op.callBoxed(stack);
      if (stack.size() == 1 && stack[0].isTensorList()) stack = spread(stack[0]);
    }
    if (stack.size() < call.results.size())
      throw std::runtime_error("an operator gives fewer results than the graph has");
    for (size_t i = 0; i < call.results.size(); i++) values[call.results[i]] = std::move(stack[i]).toTensor();
  }

  // Makes the results of a call that are views, where they were noted for such an operand. Returns
  // whether it did.
  bool view(const Call& call) {
    if (!call.views) return false;
    const at::Tensor& operand = values[*call.operand()];
    if (!operand.defined() || !call.views->operand.fits(operand)) return false;
    for (size_t i = 0; i < call.results.size(); i++) values[call.results[i]] = call.views->results[i].in(operand);
    return true;
  }

  // Notes, after the first call, whether its results are views.
  void note(Call& call) {
    if (call.noted) return;
    call.noted = true;
    const auto operand = call.operand();
    if (!operand) return;
    std::vector<at::Tensor> results;
    for (int64_t value : call.results) results.push_back(values[value]);
    call.views = blowup::Views::of(values[*operand], results);
  }

  // Lets go of the values of a run.
  void forget() {
    for (size_t value = 0; value < values.size(); value++)
      if (!stays[value] || lanes < 0) values[value] = at::Tensor();
  }

  // Runs all calls. `kinds`, if any, gets what each value is made of (see `kind_of`), and `blocks`
  // how many of its elements lie together (see `block_of`).
  void run(int64_t count, at::Tensor** inputs, size_t input_count, uint8_t* kinds, int64_t* blocks) {
    torch::jit::Stack stack;
    specialise(count, stack);
    const auto tell = [&](int64_t value) {
      if (kinds) kinds[value] = kind_of(values[value]);
      if (blocks) blocks[value] = block_of(values[value]);
    };
    for (size_t i = 0; i < input_count; i++) {
      values[i] = *inputs[i];
      tell(static_cast<int64_t>(i));
    }
    for (Call& call : calls) {
      if (!call.fixed && !view(call)) {
        execute(stack, call, count);
        note(call);
      }
      for (int64_t value : call.results) tell(value);
      for (int64_t value : call.dead) values[value] = at::Tensor();
    }
  }
};

// Runs `work`; what it throws becomes the text of an error.
template <class Work>
char* caught(Work work) {
  try {
    work();
    return nullptr;
  } catch (const c10::Error& error) {
    return text_of(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return text_of(error.what());
  } catch (...) {
    return text_of("an unknown exception");
  }
}

}  // namespace

extern "C" {

// Finds an operator. It lives as long as the process.
char* blowup_operator(const char* name, const char* overload, void** found, char** schema, bool* is_mutable) {
  return caught([&] {
    auto op = c10::Dispatcher::singleton().findSchemaOrThrow(name, overload);
    std::ostringstream text;
    text << op.schema();
    *schema = text_of(text.str());
    *is_mutable = op.schema().is_mutable();
    *found = new c10::OperatorHandle(op);
  });
}

void blowup_operator_free(void* op) { delete static_cast<c10::OperatorHandle*>(op); }

// The values of a step are freed within it, and made again in the next one. The allocator is told to
// keep such memory: given back to the system, its pages would be cleared at every step. 32 MiB is the
// largest that the first of these takes.
void* blowup_graph_new() {
#ifdef __GLIBC__
  static const int kept = mallopt(M_MMAP_THRESHOLD, 32 << 20) + mallopt(M_TRIM_THRESHOLD, 512 << 20);
  (void)kept;
#endif
  return new Graph();
}

void blowup_graph_free(void* graph) { delete static_cast<Graph*>(graph); }

char* blowup_graph_add(void* graph, void* op, bool each, const Argument* arguments, size_t count,
                       const int64_t* results, size_t result_count) {
  return caught([&] {
    static_cast<Graph*>(graph)->add(*static_cast<c10::OperatorHandle*>(op), each, arguments, count, results,
                                    result_count);
  });
}

char* blowup_graph_finish(void* graph, size_t inputs, const int64_t* kept, size_t kept_count) {
  return caught([&] { static_cast<Graph*>(graph)->finish(inputs, kept, kept_count); });
}

// Runs a graph. `outputs` gets a new tensor for each value of `wanted`, or null for an undefined
// one.
char* blowup_graph_run(void* graph, int64_t lanes, at::Tensor** inputs, size_t input_count, const int64_t* wanted,
                       size_t wanted_count, at::Tensor** outputs, uint8_t* kinds, int64_t* blocks) {
  Graph& run = *static_cast<Graph*>(graph);
  char* error = caught([&] {
    c10::InferenceMode guard;
    run.run(lanes, inputs, input_count, kinds, blocks);
    for (size_t i = 0; i < wanted_count; i++) {
      const at::Tensor& value = run.values[wanted[i]];
      outputs[i] = value.defined() ? new at::Tensor(value) : nullptr;
    }
  });
  run.forget();
  return error;
}

void blowup_text_free(char* text) { std::free(text); }
}
