using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Peft.Tokenizers;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// Questions with contexts that contain their answers, for training a <see cref="QuestionAnswerer"/>. Long contexts are split into windows, one row each. For a window without the
/// answer, and for an unanswerable question, the target is the first token.
/// </summary>
public sealed class QuestionAnsweringDataset : TrainingDataset
{
    private readonly IReadOnlyList<QuestionAnsweringRow> questions;
    private readonly TokenRows windows;   // those of AnswerWindow, then the question, and the first and last token of its answer
    private readonly QuestionAnsweringOptions options;
    private readonly long padding;

    /// <summary>Tokenizes questions.</summary>
    /// <param name="rows">The questions.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="options">The options; null for the defaults. Field names are ignored.</param>
    /// <param name="logger">Receives the number of windows if it exceeds the number of questions.</param>
    /// <param name="name">Name of the dataset in error messages.</param>
    /// <exception cref="DatasetException">There are no rows, or a row is invalid. The message has its number and the reason.</exception>
    public QuestionAnsweringDataset(IEnumerable<QuestionAnsweringRow> rows, Tokenizer tokenizer, QuestionAnsweringOptions? options = null, ILogger? logger = null, string name = "question-answering dataset")
        : this([.. (rows ?? throw new ArgumentNullException(nameof(rows))).Select((row, i) => (row, $"{name}, row {i + 1}"))], tokenizer, options ?? new(), logger, name, null, []) { }

    private QuestionAnsweringDataset(IReadOnlyList<(QuestionAnsweringRow Row, string Place)> rows, Tokenizer tokenizer, QuestionAnsweringOptions options, ILogger? logger, string name, TokenCache? cache, IEnumerable<string> content)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentOutOfRangeException.ThrowIfNegative(options.Stride, nameof(QuestionAnsweringOptions.Stride));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxAnswerTokens, 1, nameof(QuestionAnsweringOptions.MaxAnswerTokens));
        (Name, this.options) = (name, options);
        if (rows.Count == 0) throw new DatasetException($"{name} has no rows.");
        padding = TextEncoder.PaddingOf(tokenizer);
        var encoder = new TextEncoder(tokenizer, options.MaxLength, truncates: false);
        questions = [.. rows.Select(each => each.Row)];
        (windows, _) = TokenCache.Rows(cache, () => TokenizedContent.Hash($"{nameof(QuestionAnsweringDataset)} {JsonSerializer.Serialize(options with { MaxAnswerTokens = 1 })}", tokenizer, content), add =>
        {
            for (var i = 0; i < rows.Count; i++) Add(rows[i].Row, i, encoder, options.Stride, what => new DatasetException($"{rows[i].Place}: {what}"), add);
            return new(0, 0, []);
        });
        if (windows.Count > questions.Count) QuestionLog.Windows(logger ?? NullLogger.Instance, name, questions.Count, windows.Count, encoder.MaxLength!.Value);
    }

    /// <summary>Number of windows.</summary>
    public override int Count => windows.Count;

    /// <summary>Number of questions.</summary>
    public int QuestionCount => questions.Count;

    /// <inheritdoc/>
    public override string Name { get; }

    /// <summary>Loads a file in any format that <see cref="Dataset.Load"/> reads.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="options">Field names and other options; null for the defaults.</param>
    /// <param name="logger">Receives the number of windows if it exceeds the number of questions.</param>
    /// <exception cref="DatasetException">The file cannot be read, or a row is invalid. The message has its line and the reason.</exception>
    public static QuestionAnsweringDataset FromFile(string path, Tokenizer tokenizer, QuestionAnsweringOptions? options = null, ILogger? logger = null)
        => From(Dataset.Load(path), tokenizer, options, logger);

    /// <summary>Prepares the rows of a dataset.</summary>
    /// <param name="data">The rows.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="options">Field names and other options; null for the defaults.</param>
    /// <param name="logger">Receives the number of windows if it exceeds the number of questions.</param>
    /// <param name="cache">Keeps the tokens on disk, and finds them there the next time; null to keep them in memory. The questions, contexts and answers are in memory in either case.</param>
    /// <exception cref="DatasetException">A row is invalid. The message has its position and the reason.</exception>
    public static QuestionAnsweringDataset From(Dataset data, Tokenizer tokenizer, QuestionAnsweringOptions? options = null, ILogger? logger = null, TokenCache? cache = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        options ??= new();
        return new([.. data.Select(each => new DataRow(each)).Select(row => (Read(row, options), row.Place))], tokenizer, options, logger, data.Name, cache, data.Select(row => row.Fields.ToJsonString()));
    }

    private static QuestionAnsweringRow Read(DataRow row, QuestionAnsweringOptions options)
    {
        var (question, context) = (row.Text(options.QuestionField), row.Text(options.ContextField));
        if (row.Get(options.AnswersField).ValueKind != JsonValueKind.Object)
            return new(question, context, row.Text(options.AnswersField) is { Length: > 0 } one ? [one] : []);
        var answers = row.Inside(options.AnswersField);
        var (texts, starts) = (answers.Texts("text"), answers.Integers("answer_start"));
        if (texts.Count != starts.Count) throw row.Error($"there are {texts.Count} answers, but {starts.Count} start positions.");
        return new(question, context, texts, texts.Count == 0 ? null : StartOf(row, context, texts[0], starts[0]));
    }

    // Files from Python count code points, those from .NET programs UTF-16 code units. The context shows which.
    private static int StartOf(DataRow row, string context, string answer, int start)
    {
        if (start >= 0)
            foreach (var place in new[] { new TextPositions(context).ToUnits(start), start })
                if (place <= context.Length - answer.Length && context.AsSpan(place, answer.Length).SequenceEqual(answer)) return place;
        throw row.Error($"the answer \"{answer}\" is not at position {start} of the context.");
    }

    private static void Add(QuestionAnsweringRow row, int index, TextEncoder encoder, int stride, Func<string, DatasetException> error, Action<long[][]> add)
    {
        if (row is not { Answers: not null }) throw error("there is no list of answers.");
        if (string.IsNullOrWhiteSpace(row.Question)) throw error("the question is empty.");
        if (string.IsNullOrWhiteSpace(row.Context)) throw error("the context is empty.");
        var range = new TextRange(-1, -1);
        if (row.Answers.Count > 0)
        {
            if (row.Answers.Any(string.IsNullOrWhiteSpace)) throw error("an answer is empty: pass no answer if the question is unanswerable.");
            var start = row.AnswerStart ?? row.Context.IndexOf(row.Answers[0], StringComparison.Ordinal);
            if (start < 0 || start > row.Context.Length - row.Answers[0].Length || !row.Context.AsSpan(start).StartsWith(row.Answers[0]))
                throw error($"the answer \"{row.Answers[0]}\" is not {(row.AnswerStart is { } given ? $"at position {given} of" : "in")} the context.");
            range = new(start, start + row.Answers[0].Length);
        }
        foreach (var window in AnswerWindow.Of(row.Question, row.Context, encoder, stride, error))
        {
            var (start, end) = window.Find(range);
            add([.. window.Sequences, [index, start, end]]);
        }
    }

    /// <inheritdoc/>
    public override int LengthOf(int row) => windows.LengthsOf(row)[0];

    /// <inheritdoc/>
    /// <returns>Labels <c>[batch, 2]</c>: the answer's first and last token; 0 and 0 if it is not in the window.</returns>
    public override Batch GetBatch(IReadOnlyList<int> rows)
    {
        RequireRows(rows, Count);
        long[][][] read = [.. rows.Select(row => windows[row])];
        return EncodedText.ToBatch([.. read.Select(EncodedText.Of)], padding, tensor(read.SelectMany(row => row[^1][1..]).ToArray(), [rows.Count, 2]), rows.Count);
    }

    /// <inheritdoc/>
    /// <remarks><c>exact_match</c> and <c>f1</c> from 0 to 1, averaged over the questions, as in SQuAD's evaluation script. For an unanswerable question the
    /// correct result is no answer.</remarks>
    public override IReadOnlyList<DatasetMetric> Metrics => [new("exact_match"), new("f1")];

    /// <inheritdoc/>
    public override IMeasurement Measure() => new Measurement(this);

    private sealed class Measurement(QuestionAnsweringDataset data) : IMeasurement
    {
        private readonly Dictionary<int, List<(AnswerWindow Window, float[] Logits)>> found = [];

        public void Add(IReadOnlyList<int> rows, Tensor output)
        {
            foreach (var (row, logits) in rows.Zip(output.ToRows()))
            {
                var read = data.windows[row];
                var question = (int)read[^1][0];
                if (!found.TryGetValue(question, out var all)) found.Add(question, all = []);
                all.Add((AnswerWindow.Of(read), logits));
            }
        }

        public IReadOnlyDictionary<string, double> Result()
        {
            var allowsNone = data.questions.Any(question => question.Answers.Count == 0);
            var answers = found.Select(pair => (Text: AnswerSearch.Best(data.questions[pair.Key].Context, pair.Value, data.options.MaxAnswerTokens, allowsNone).Text, data.questions[pair.Key].Answers)).ToList();
            return new Dictionary<string, double>
            {
                ["exact_match"] = answers.Count == 0 ? double.NaN : answers.Average(answer => Peft.Metrics.ExactMatch(answer.Text, [.. answer.Answers])),
                ["f1"] = answers.Count == 0 ? double.NaN : answers.Average(answer => Peft.Metrics.TokenF1(answer.Text, [.. answer.Answers])),
            };
        }
    }
}
