using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Log-probabilities under the reference that are computed once for a dataset, before training.</summary>
public static class PrecomputedReference
{
    private const string KeyField = "key", RowsName = "rows";

    /// <summary>
    /// Computes what an objective needs of its reference for each row of a dataset, so that training runs no forward pass of the reference. Returns a dataset whose batches hold these
    /// values: <c>ref_chosen_logps</c> and <c>ref_rejected_logps</c> for DPO, <c>ref_logps</c> for KTO and BCO. KTO's mismatched pairs depend on the batch, so training still runs the
    /// reference on these.
    /// </summary>
    /// <param name="data">The dataset. Each of its rows must be the same in every batch.</param>
    /// <param name="objective">The objective: <see cref="DpoObjective"/>, <see cref="KtoObjective"/> or <see cref="BcoObjective"/>. The result is for this objective only.</param>
    /// <param name="cacheFolder">
    /// Folder that keeps the values, or null. The file's name is a hash of the model's name, the reference adapter's weights, the settings and the rows, so that other data has another file.
    /// It is written at the end, atomically. Values that are found there are compared with those of the first rows.
    /// </param>
    /// <param name="batchSize">Rows for each forward pass.</param>
    /// <param name="progress">Receives the number of rows that are done; not called if the values are found.</param>
    /// <param name="cancellationToken">Ends the computation after the current batch. Nothing is written then.</param>
    /// <exception cref="ArgumentException">The objective has no reference, or one that follows the policy.</exception>
    /// <exception cref="AdapterOptionsException">The reference cannot be used with the policy.</exception>
    /// <exception cref="DatasetException">A row has no finite value, or the values that were found belong to other rows or to another model.</exception>
    /// <exception cref="CheckpointException">The file could not be read or written.</exception>
    public static TrainingDataset PrecomputeReference(this TrainingDataset data, Objective objective, string? cacheFolder = null, int batchSize = 8, IProgress<int>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(objective);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        if (objective is not IReferenceObjective referring) throw new ArgumentException($"{objective.GetType().Name} has no reference, so there is nothing to compute.", nameof(objective));
        if (referring.Policy.MovingReference().Any()) throw new ArgumentException("The reference follows the policy, so that its log-probabilities change in training: do not compute them before.", nameof(objective));
        if (data.Count == 0) throw new DatasetException($"The dataset {data.Name} has no rows.");
        if (referring.Policy.Errors(referring.Policy.Trainable).FirstOrDefault() is { } error) throw new AdapterOptionsException(error);
        using var modes = new ModuleModes(referring.Policy.Model);
        referring.Policy.Model.eval();
        if (cacheFolder is null) return new ReferencedDataset(data, RowHash.Of(data), Compute(data, referring, batchSize, progress, cancellationToken));

        var rows = RowHash.Of(data);
        var key = Key(referring, rows);
        var path = Path.Combine(cacheFolder, $"reference-{key[..16]}.safetensors");
        if (File.Exists(path))
        {
            var found = Read(path, key, rows, data);
            RequireSameModel(path, found, data, referring, batchSize);
            return new ReferencedDataset(data, rows, found);
        }
        var values = Compute(data, referring, batchSize, progress, cancellationToken);
        Write(path, key, rows, values);
        return new ReferencedDataset(data, rows, values);
    }

    private static Dictionary<string, float[]> Compute(TrainingDataset data, IReferenceObjective objective, int batchSize, IProgress<int>? progress, CancellationToken cancellationToken)
    {
        var values = new Dictionary<string, float[]>(StringComparer.Ordinal);
        var done = 0;
        foreach (var rows in data.Batches(batchSize))
        {
            cancellationToken.ThrowIfCancellationRequested();
            foreach (var (name, computed) in Of(data, objective, rows))
            {
                if (Array.FindIndex(computed, value => !float.IsFinite(value)) is >= 0 and var odd)
                    throw new DatasetException($"Row {rows[odd]} of {data.Name} (counted from 0): {name}, its log-probability under the reference, is {computed[odd].ToString(CultureInfo.InvariantCulture)}. Remove the row, or check the reference.");
                if (!values.TryGetValue(name, out var all)) values[name] = all = new float[data.Count];
                for (var i = 0; i < rows.Length; i++) all[rows[i]] = computed[i];
            }
            progress?.Report(done += rows.Length);
        }
        return values;
    }

    private static Dictionary<string, float[]> Of(TrainingDataset data, IReferenceObjective objective, int[] rows)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var batch = data.GetBatch(rows).To(objective.Policy.Trainable.Trainables[0].Value.device);
        return objective.ReferenceOf(batch).ToDictionary(pair => pair.Key, pair => pair.Value.to_type(ScalarType.Float32).cpu().data<float>().ToArray() is var computed && computed.Length == rows.Length ? computed
            : throw new DatasetException($"{data.Name}: a batch of {rows.Length} rows has {pair.Value.size(0)} values of {pair.Key}: each row must be one pair, or one text."), StringComparer.Ordinal);
    }

    private static string Key(IReferenceObjective objective, long[] rows)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{objective.ReferenceSettings}\n{objective.Policy.Model.Config.Source}\n"));
        objective.Policy.IdentifyReference(hash);
        foreach (var row in rows) hash.AppendData(BitConverter.GetBytes(row));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void Write(string path, string key, long[] rows, Dictionary<string, float[]> values)
    {
        using var scope = NewDisposeScope();
        var tensors = values.ToDictionary(pair => pair.Key, pair => tensor(pair.Value));
        tensors[RowsName] = tensor(rows);
        SafetensorsWriter.Write(path, tensors, new Dictionary<string, string> { [KeyField] = key });
    }

    private static Dictionary<string, float[]> Read(string path, string key, long[] rows, TrainingDataset data)
    {
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open(path);
        var names = file.Keys.Where(name => name != RowsName).ToList();
        if (file.Metadata.GetValueOrDefault(KeyField) != key || !file.Tensors.ContainsKey(RowsName) || names.Count == 0 || file.Tensors.Any(each => !each.Value.Shape.SequenceEqual([rows.Length]))
            || !file.Read(RowsName, dtype: ScalarType.Int64).data<long>().ToArray().SequenceEqual(rows))
            throw new DatasetException($"{path} does not hold the reference's log-probabilities of the {rows.Length} rows of {data.Name}, but of other data or another model: delete the file, or choose another folder.");
        return names.ToDictionary(name => name, name => file.Read(name, dtype: ScalarType.Float32).data<float>().ToArray(), StringComparer.Ordinal);
    }

    // The name of a model does not say what its weights are.
    private static void RequireSameModel(string path, Dictionary<string, float[]> found, TrainingDataset data, IReferenceObjective objective, int batchSize)
    {
        var rows = Enumerable.Range(0, Math.Min(batchSize, data.Count)).ToArray();
        foreach (var (name, now) in Of(data, objective, rows))
        {
            for (var i = 0; i < rows.Length; i++)
            {
                var stored = found.TryGetValue(name, out var all) ? all[i] : float.NaN;
                if (!(Math.Abs(stored - now[i]) <= 1e-2 + 1e-3 * Math.Abs(now[i])))   // what a device or a width of 16 bits may change
                    throw new DatasetException($"{path} holds the log-probabilities of another reference: {name} of row {i} of {data.Name} is {stored.ToString(CultureInfo.InvariantCulture)} there, but {now[i].ToString(CultureInfo.InvariantCulture)} now. Delete the file, or choose another folder.");
            }
        }
    }
}
