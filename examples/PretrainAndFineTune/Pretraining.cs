using Peft;
using Peft.Models;

namespace PretrainAndFineTune;

/// <summary>Pretraining: a tokenizer and a model from texts alone.</summary>
/// <param name="kind">The kind of model.</param>
/// <param name="sizes">Its size and the number of passes.</param>
internal sealed class Pretraining(Kind kind, Sizes sizes)
{
    // Positions for the virtual tokens of prefix tuning before the longest text.
    private const int VirtualTokens = 16;

    /// <summary>Trains tokenizer and model, and saves both.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="folder">Folder of the result.</param>
    /// <param name="progress">Receives a report after each step.</param>
    public Pretrained Run(IReadOnlyList<string> texts, string folder, IProgress<TrainingProgress>? progress = null)
    {
        var tokenizer = kind == Kind.Bert
            ? new WordPieceTrainer { VocabularySize = sizes.Vocabulary, Parts = TokenizerParts.Bert(lowercase: false), MaxLength = sizes.Length }.Train(texts)   // names begin with capitals
            : new BpeTrainer { VocabularySize = sizes.Vocabulary, MaxLength = sizes.Length }.Train(texts);
        using PretrainedModel model = kind == Kind.Bert ? MaskedLM.FromConfig(Config(tokenizer), seed: 1) : CausalLM.FromConfig(Config(tokenizer), seed: 1);
        TrainingDataset data = kind == Kind.Bert
            ? new MaskedDataset(texts, tokenizer, new() { WholeWords = true })
            : TextDataset.FromText(string.Join("<|endoftext|>", texts), tokenizer, blockSize: 64);
        using var whole = model.ApplyFull();
        var before = Environment.CpuUsage.TotalTime;
        var result = new Trainer(whole, data, new()
        {
            Epochs = sizes.PretrainingEpochs[kind], BatchSize = 32, GroupByLength = true, LearningRate = 2e-3, WarmupRatio = 0.05, Optimizer = new AdamWOptions { WeightDecay = 0.01 },
        }).Train(progress);
        var seconds = (Environment.CpuUsage.TotalTime - before).TotalSeconds;
        whole.MergeAndUnload();
        model.SavePretrained(folder);
        tokenizer.Save(folder);
        return new(kind, folder, model.parameters().Sum(parameter => parameter.numel()), result.Tokens, result.Losses[0], result.Losses.TakeLast(50).Average(), seconds);
    }

    private ModelConfig Config(Tokenizer tokenizer) => ModelConfig.Parse(kind == Kind.Bert
        ? $$"""
            {
              "model_type": "bert", "vocab_size": {{tokenizer.VocabularySize}}, "hidden_size": {{sizes.Hidden}}, "intermediate_size": {{4 * sizes.Hidden}}, "num_hidden_layers": {{sizes.Layers}}, "num_attention_heads": 4,
              "max_position_embeddings": {{sizes.Length + VirtualTokens}}, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "pad_token_id": {{tokenizer.PadId}}
            }
            """
        : $$"""
            {
              "model_type": "gpt2", "vocab_size": {{tokenizer.VocabularySize}}, "n_embd": {{sizes.Hidden}}, "n_layer": {{sizes.Layers}}, "n_head": 4, "n_positions": {{sizes.Length + VirtualTokens}},
              "embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0, "bos_token_id": {{tokenizer.EndOfSequenceId}}, "eos_token_id": {{tokenizer.EndOfSequenceId}}
            }
            """);
}
