using System.Collections;
using System.Reflection;
using System.Text.Json.Nodes;
using Peft.Checkpoints;
using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests.PublicApi;

/// <summary>Small objects of as many public types as can be found: some made here, and what their properties lead to.</summary>
internal sealed class World : IDisposable
{
    private readonly Dictionary<Type, object> objects = [];
    private readonly DisposeScope scope = NewDisposeScope();

    public World(string folder)
    {
        var (model, plain) = (SmallModel.Create(), SmallModel.Create());
        var peft = model.ApplyLora(rank: 2);
        peft.Add("second", new Ia3Options());
        var tokenizer = Tokenizer.FromPretrained(Path.Combine(folder, "tokenizer"));
        tokenizer.ChatTemplate = ChatTemplate.Parse("{{ messages[0].content }}");
        var text = TextDataset.FromText(string.Concat(Enumerable.Repeat("some text ", 20)), new CharacterTokenizer(SmallModel.Vocabulary), 8);
        var prompted = SmallModel.Create().ApplyPrefixTuning(2);
        object[] seeds =
        [
            plain, peft, prompted, tokenizer, text,
            MaskedLM.FromConfig(Encoder()), SequenceClassifier.FromConfig(Encoder()), TokenClassifier.FromConfig(Encoder()), QuestionAnswerer.FromConfig(Encoder()),
            FeatureExtractor.FromConfig(Encoder()), Seq2SeqLM.FromConfig(EncoderDecoder()),
            new Trainer(peft, text, new TrainingOptions { MaxSteps = 1, BatchSize = 2 }), new ModuleTrainable(nn.Linear(3, 2)),
            SafetensorsFile.Open(Path.Combine(folder, "model", "model.safetensors")), ShardedCheckpoint.Open(Path.Combine(folder, "model")),
            ChatTemplate.Parse("{% for m in messages %}{{ m.content }}{% endfor %}"), new CausalLMChatClient(plain, tokenizer),
            new HubClient(new HubOptions { Endpoint = "https://hub.invalid", CacheFolder = Path.Combine(folder, "cache"), Handler = new NoNetwork(), Retries = 0 }),
            new Batch { InputIds = SmallModel.Ids(2), Labels = SmallModel.Ids(2) }, new KeyValueCache(), new FlatParameters(peft.Trainables),
            new InstructionDataset([new("a question", "an answer")], new CharacterTokenizer(SmallModel.Vocabulary)),
        ];
        foreach (var seed in seeds) Harvest(seed, depth: 5);
    }

    /// <summary>An object of a type, or null.</summary>
    public object? Find(Type type) => objects.GetValueOrDefault(type) ?? objects.Values.FirstOrDefault(type.IsInstanceOfType);

    public static ModelConfig Encoder() => ModelConfig.Parse($$"""
        { "model_type": "bert", "vocab_size": {{SmallModel.Vocabulary}}, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
          "max_position_embeddings": 16, "type_vocab_size": 2, "pad_token_id": 0 }
        """);

    public static ModelConfig EncoderDecoder() => ModelConfig.Parse($$"""
        { "model_type": "t5", "vocab_size": {{SmallModel.Vocabulary}}, "d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2,
          "relative_attention_num_buckets": 8, "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0 }
        """);

    private void Harvest(object? found, int depth)
    {
        if (found is null or string || depth == 0) return;
        var type = found.GetType();
        if (ApiMembers.IsOurs(type))
        {
            if (!objects.TryAdd(type, found)) return;
            foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(each => each.GetIndexParameters().Length == 0))
            {
                try
                {
                    Harvest(property.GetValue(found), depth - 1);
                }
                catch (TargetInvocationException)
                {
                    // The walk itself finds out what a getter throws.
                }
            }
        }
        else if (found is IEnumerable many and not JsonNode)
        {
            foreach (var each in many.Cast<object?>().Take(20)) Harvest(each, depth - 1);
        }
    }

    public void Dispose()
    {
        foreach (var each in objects.Values.OfType<IDisposable>())
        {
            try
            {
                each.Dispose();
            }
            catch (Exception error) when (error is ObjectDisposedException or InvalidOperationException)
            {
                // What was walked may be gone already.
            }
        }
        scope.Dispose();
    }
}
