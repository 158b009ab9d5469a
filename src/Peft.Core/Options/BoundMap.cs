using System.Collections;
using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;

namespace Peft;

/// <summary>
/// A settings value with named entries. Binders of settings (<c>IConfiguration</c>) fill it entry by entry, which requires a dictionary. Only they can write to it;
/// it is immutable for all other code.
/// </summary>
/// <typeparam name="T">Type of an entry.</typeparam>
[EditorBrowsable(EditorBrowsableState.Never)]
[SuppressMessage("Naming", "CA1710", Justification = "Only binders of settings use it as a collection.")]
public abstract class BoundMap<T> : IDictionary<string, T>
{
    /// <summary>Creates a value without entries.</summary>
    protected BoundMap() { }

    /// <summary>Adds an entry from a binder.</summary>
    /// <param name="key">Name of the entry, or its index in a list.</param>
    /// <param name="value">Value of the entry.</param>
    protected abstract void Bind(string key, T value);

    T IDictionary<string, T>.this[string key]
    {
        get => throw new KeyNotFoundException(key);
        set => Bind(key, value);
    }

    // A binder always sees an empty map, so that each entry that it binds is new.
    bool IDictionary<string, T>.TryGetValue(string key, out T value)
    {
        value = default!;
        return false;
    }

    void IDictionary<string, T>.Add(string key, T value) => Bind(key, value);
    void ICollection<KeyValuePair<string, T>>.Add(KeyValuePair<string, T> item) => Bind(item.Key, item.Value);
    bool IDictionary<string, T>.ContainsKey(string key) => false;
    bool ICollection<KeyValuePair<string, T>>.Contains(KeyValuePair<string, T> item) => false;
    ICollection<string> IDictionary<string, T>.Keys => [];
    ICollection<T> IDictionary<string, T>.Values => [];
    int ICollection<KeyValuePair<string, T>>.Count => 0;
    bool ICollection<KeyValuePair<string, T>>.IsReadOnly => false;
    void ICollection<KeyValuePair<string, T>>.CopyTo(KeyValuePair<string, T>[] array, int arrayIndex) { }
    bool IDictionary<string, T>.Remove(string key) => throw new NotSupportedException();
    bool ICollection<KeyValuePair<string, T>>.Remove(KeyValuePair<string, T> item) => throw new NotSupportedException();
    void ICollection<KeyValuePair<string, T>>.Clear() => throw new NotSupportedException();
    IEnumerator<KeyValuePair<string, T>> IEnumerable<KeyValuePair<string, T>>.GetEnumerator() => Enumerable.Empty<KeyValuePair<string, T>>().GetEnumerator();
    IEnumerator IEnumerable.GetEnumerator() => Array.Empty<object>().GetEnumerator();
}
