using System.Collections;

namespace Peft.Tokenizers.Jinja;

/// <summary>A dict: keys in insertion order, with Python's equality (1, 1.0 and True are the same key).</summary>
internal sealed class PyDict : IEnumerable<KeyValuePair<object?, object?>>
{
    private static readonly object NoneKey = new();

    private readonly OrderedDictionary<object, object?> items = new(KeyComparer.Instance);

    public static PyDict From(IEnumerable<KeyValuePair<string, object?>> items)
    {
        var dict = new PyDict();
        foreach (var (key, value) in items) dict[key] = value;
        return dict;
    }

    public int Count => items.Count;

    public object? this[object? key]
    {
        set => items[Key(key)] = value;
    }

    public IEnumerable<object?> Keys => this.Select(pair => pair.Key);

    public bool TryGet(object? key, out object? value) => items.TryGetValue(Key(key), out value);

    public bool Contains(object? key) => items.ContainsKey(Key(key));

    public bool Remove(object? key, out object? value) => items.Remove(Key(key), out value);

    public void Clear() => items.Clear();

    // Each lookup reads all items of a tuple.
    private const int MaxTupleLength = 64;

    public static bool IsKey(object? value) => value switch
    {
        null or bool or long or double or string or Undefined => true,
        PyTuple tuple => tuple.Count <= MaxTupleLength && tuple.All(item => item is null or bool or long or double or string),
        _ => false,
    };

    public IEnumerator<KeyValuePair<object?, object?>> GetEnumerator()
    {
        foreach (var (key, value) in items) yield return new(ReferenceEquals(key, NoneKey) ? null : key, value);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private static object Key(object? key) => IsKey(key) ? key ?? NoneKey : throw new ChatTemplateException($"A '{TypeName.Of(key)}'{(key is PyTuple { Count: > MaxTupleLength } ? $" of more than {MaxTupleLength} items" : "")} cannot be a key of a dict.");

    private sealed class KeyComparer : IEqualityComparer<object>
    {
        public static readonly KeyComparer Instance = new();

        public new bool Equals(object? x, object? y) => (x, y) switch
        {
            (string a, string b) => a == b,
            (PyTuple a, PyTuple b) => a.Count == b.Count && a.Zip(b).All(pair => Equals(pair.First ?? NoneKey, pair.Second ?? NoneKey)),
            (bool or long or double, bool or long or double) => Comparisons.NumbersEqual(x, y),
            (Undefined, Undefined) => true,
            _ => ReferenceEquals(x, y),
        };

        public int GetHashCode(object key) => key switch
        {
            string text => text.GetHashCode(StringComparison.Ordinal),
            bool or long or double => Mixed(Arithmetic.Float(key)),
            PyTuple tuple => tuple.Aggregate(1, (hash, item) => HashCode.Combine(hash, GetHashCode(item ?? NoneKey))),
            Undefined => 2,
            _ => 3,
        };

        // The hash of a double alone makes it easy to construct collisions. 0 and -0 are the same key.
        private static int Mixed(double number)
        {
            var bits = BitConverter.DoubleToInt64Bits(number == 0 ? 0 : number);
            return HashCode.Combine((int)bits, (int)(bits >> 32));
        }
    }
}
