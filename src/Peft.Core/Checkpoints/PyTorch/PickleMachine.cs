using System.Runtime.InteropServices;

namespace Peft.Checkpoints;

/// <summary>
/// Reads only pickles that <c>torch.save</c> writes for a dictionary of tensors. It is not a Python interpreter: the few supported
/// opcodes build strings, numbers, lists and dictionaries, and the few allowed globals are those of <see cref="PyTorchGlobal"/>. Everything else in a
/// file is rejected, and nothing in it can run code.
/// </summary>
/// <remarks>There is no recursion, and the steps and the stack are limited, so that a small file cannot take much memory or time.</remarks>
internal sealed class PickleMachine(PickleStream input)
{
    // A tensor takes about 25 steps, which allows 160,000 tensors. Python writes dictionaries in batches of 1,000.
    private const int MaxSteps = 4_000_000, MaxStackDepth = 50_000;

    private readonly List<object?> stack = [];
    private readonly Stack<int> marks = [];
    private readonly Dictionary<uint, object?> memo = [];
    private long position;

    /// <summary>
    /// Runs one pickle to its end and returns its value: null, bool, long, double, string, an array (a tuple), a list, <see cref="PickleDict"/>, or a value of
    /// <see cref="PyTorchGlobal"/>.
    /// </summary>
    /// <exception cref="CheckpointException">The pickle contains anything else.</exception>
    public object? Run()
    {
        for (int step = 0; step < MaxSteps; step++)
        {
            position = input.Position;
            byte opcode = input.Byte();
            if (opcode == PickleOpcode.Stop)
            {
                var result = Pop("STOP");
                return stack.Count == 0 && marks.Count == 0 ? result : throw Refuse("unused values on its stack at the end");
            }
            Step(opcode);
            if (stack.Count + marks.Count > MaxStackDepth) throw Refuse($"more than {MaxStackDepth} values on its stack");
        }
        throw Refuse($"more than {MaxSteps} steps");
    }

    private void Step(byte opcode)
    {
        switch (opcode)
        {
            case PickleOpcode.Proto:
                byte protocol = input.Byte();
                if (protocol > 2) throw Refuse($"protocol {protocol}, but torch.save writes 2");
                break;
            case PickleOpcode.Mark: marks.Push(stack.Count); break;
            case PickleOpcode.None: stack.Add(null); break;
            case PickleOpcode.NewTrue: stack.Add(true); break;
            case PickleOpcode.NewFalse: stack.Add(false); break;
            case PickleOpcode.BinInt: stack.Add((long)input.Int32()); break;
            case PickleOpcode.BinInt1: stack.Add((long)input.Byte()); break;
            case PickleOpcode.BinInt2: stack.Add((long)input.UInt16()); break;
            case PickleOpcode.Long1: stack.Add(input.Integer(input.Byte())); break;
            case PickleOpcode.BinFloat: stack.Add(input.Double()); break;
            case PickleOpcode.BinUnicode: stack.Add(input.Text((uint)input.Int32())); break;
            case PickleOpcode.BinString: stack.Add(input.Text(input.Int32())); break;
            case PickleOpcode.ShortBinString: stack.Add(input.Text(input.Byte())); break;
            case PickleOpcode.EmptyTuple: stack.Add(Array.Empty<object?>()); break;
            case PickleOpcode.Tuple: stack.Add(PopToMark("TUPLE")); break;
            case PickleOpcode.Tuple1 or PickleOpcode.Tuple2 or PickleOpcode.Tuple3: stack.Add(PopLast(opcode - PickleOpcode.Tuple1 + 1, "TUPLE")); break;
            case PickleOpcode.EmptyList: stack.Add(new List<object?>()); break;
            case PickleOpcode.Append: Extend(PopLast(1, "APPEND"), "APPEND"); break;
            case PickleOpcode.Appends: Extend(PopToMark("APPENDS"), "APPENDS"); break;
            case PickleOpcode.EmptyDict: stack.Add(new PickleDict()); break;
            case PickleOpcode.SetItem: SetItems(PopLast(2, "SETITEM"), "SETITEM"); break;
            case PickleOpcode.SetItems: SetItems(PopToMark("SETITEMS"), "SETITEMS"); break;
            case PickleOpcode.BinPut: memo[input.Byte()] = Top("BINPUT"); break;
            case PickleOpcode.LongBinPut: memo[(uint)input.Int32()] = Top("LONG_BINPUT"); break;
            case PickleOpcode.BinGet: stack.Add(Remembered(input.Byte())); break;
            case PickleOpcode.LongBinGet: stack.Add(Remembered((uint)input.Int32())); break;
            case PickleOpcode.Global: FindGlobal(); break;
            case PickleOpcode.Reduce: Call(); break;
            case PickleOpcode.Build: Build(); break;
            case PickleOpcode.BinPersId: stack.Add(PyTorchStorage.From(Pop("BINPERSID"), Refuse)); break;
            default: throw Refuse($"{PickleOpcode.Describe(opcode)}, which torch.save does not write for a dictionary of tensors");
        }
    }

    private void FindGlobal()
    {
        string module = input.Line(), name = input.Line();
        stack.Add(PyTorchGlobal.Find(module, name)
            ?? throw Refuse($"the global {Shown(module)}.{Shown(name)} (opcode GLOBAL), which a dictionary of tensors does not need"));
    }

    private void Call()
    {
        var arguments = Pop("REDUCE") as object?[] ?? throw Refuse("opcode REDUCE without a tuple of arguments");
        var function = Pop("REDUCE") as PyTorchFunction ?? throw Refuse("opcode REDUCE on a value that is not a function");
        stack.Add(function.Call(arguments, Refuse));
    }

    // The attributes of an OrderedDict are torch's metadata of module versions.
    private void Build()
    {
        if (Pop("BUILD") is not PickleDict || Top("BUILD") is not PickleDict) throw Refuse("opcode BUILD on a value that is not an OrderedDict");
    }

    private void Extend(ReadOnlySpan<object?> values, string opcode)
    {
        var list = Top(opcode) as List<object?> ?? throw Refuse($"opcode {opcode} on a value that is not a list");
        list.AddRange(values);
    }

    private void SetItems(ReadOnlySpan<object?> values, string opcode)
    {
        var dict = Top(opcode) as PickleDict ?? throw Refuse($"opcode {opcode} on a value that is not a dictionary");
        if (values.Length % 2 != 0) throw Refuse($"opcode {opcode} with a key that has no value");
        for (int i = 0; i < values.Length; i += 2) dict.Items.Add((values[i], values[i + 1]));
    }

    private object? Remembered(uint index) => memo.TryGetValue(index, out var value) ? value : throw Refuse($"a reference to entry {index} of its memo, which does not exist");

    private object? Top(string opcode) => stack.Count > Floor ? stack[^1] : throw Empty(opcode);

    private object? Pop(string opcode)
    {
        var value = Top(opcode);
        stack.RemoveAt(stack.Count - 1);
        return value;
    }

    private object?[] PopLast(int count, string opcode)
    {
        if (stack.Count - count < Floor) throw Empty(opcode);
        var values = CollectionsMarshal.AsSpan(stack)[^count..].ToArray();
        stack.RemoveRange(stack.Count - count, count);
        return values;
    }

    private object?[] PopToMark(string opcode)
    {
        if (marks.Count == 0) throw Refuse($"opcode {opcode} without a MARK");
        var values = PopLast(stack.Count - marks.Peek(), opcode);
        marks.Pop();
        return values;
    }

    private int Floor => marks.Count > 0 ? marks.Peek() : 0;

    private CheckpointException Empty(string opcode) => Refuse($"opcode {opcode} on an empty stack");

    private CheckpointException Refuse(string problem) => input.Invalid(problem, position);

    // A name from an untrusted file must not write control characters to a log.
    private static string Shown(string name) => string.Concat(name.Select(c => char.IsControl(c) ? '?' : c));
}
