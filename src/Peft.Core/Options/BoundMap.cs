using System.Collections;
using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;

namespace Peft;

/// <summary>
/// A value of settings that consists of entries by name. Binders of settings (<c>IConfiguration</c>) fill such a value entry by entry, for which it must be a dictionary to them; it is none
/// to anybody else, and does not change once it is made.
/// </summary>
/// <typeparam name="T">An entry.</typeparam>
[EditorBrowsable(EditorBrowsableState.Never)]
[SuppressMessage("Naming", "CA1710", Justification = "A collection to binders of settings alone.")]
public abstract class BoundMap<T> : IDictionary<string, T>
{
    /// <summary>No entries.</summary>
    protected BoundMap() { }

    /// <summary>Takes an entry from a binder.</summary>
    /// <param name="key">Its name; its number in a list.</param>
    /// <param name="value">Its value.</param>
    protected abstract void Bind(string key, T value);

    T IDictionary<string, T>.this[string key]
    {
        get => throw new KeyNotFoundException(key);
        set => Bind(key, value);
    }

    // To a binder the map is always empty: an entry that it binds is new.
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
