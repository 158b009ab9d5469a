using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Layers of encoders with post-norm: as steps, they train and predict as the modules one by one do.</summary>
public class PostNormTests
{
    private const int Rows = 6, Length = 30;   // more positions than the kernels of modules are for, in inference

    [Theory]
    [InlineData("bert", "gelu", 0.0)]
    [InlineData("roberta", "gelu_new", 0.0)]
    [InlineData("bert", "relu", 0.1)]
    [InlineData("roberta", "gelu", 0.4)]
    public void Training_and_predictions_are_those_of_the_modules(string type, string activation, double dropout)
    {
        using var scope = NewDisposeScope();
        using var model = SequenceClassifier.FromConfig(ModelConfig.Parse($$"""
            {"model_type":"{{type}}","vocab_size":24,"hidden_size":32,"num_hidden_layers":2,"num_attention_heads":4,"intermediate_size":48,"hidden_act":"{{activation}}","max_position_embeddings":64,
             "type_vocab_size":2,"layer_norm_eps":1e-12,"pad_token_id":0,"hidden_dropout_prob":{{dropout}},"attention_probs_dropout_prob":{{dropout / 2}},"initializer_range":0.3}
            """), options: new() { LabelCount = 3 }, seed: 3);
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, TargetModules = new[] { "query", "value", "dense" }, Dropout = dropout / 4 });
        manual_seed(2);
        using (no_grad())
            foreach (var tensor in peft.Trainables) tensor.Value.normal_(0, 0.1);
        var ids = randint(1, 24, [Rows, Length], ScalarType.Int64);
        var mask = ones_like(ids);
        for (var row = 0; row < Rows; row++) mask[row].narrow(0, Length - row, row).zero_();
        var labels = tensor(new long[] { 0, 2, 1, 0, 1, 2 });

        model.train();
        Taken(true);
        var (steps, modules) = (Train(), ByModules(Train));
        steps.Count.ShouldBe(modules.Count);
        foreach (var (one, other) in steps.Zip(modules)) one.RelativeDifference(other).ShouldBeLessThan(2e-5);

        model.eval();
        using (no_grad()) Predict();
        using var inference = inference_mode();
        Predict();
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (var i = 0; i < 3; i++) Forward().Dispose();
        DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount.ShouldBe(before);

        void Predict()
        {
            Taken(true);
            Forward().RelativeDifference(ByModules(Forward)).ShouldBeLessThan(1e-5);
        }

        Tensor Forward() => model.forward(new ModelInput { InputIds = ids, AttentionMask = mask });

        List<Tensor> Train()
        {
            foreach (var trained in peft.Trainables) trained.Value.grad = null;
            using var batch = new Batch { InputIds = ids.clone(), AttentionMask = mask.clone(), Labels = labels.clone() };
            manual_seed(9);
            var loss = model.Loss(batch);
            loss.backward();
            return [loss.detach(), .. peft.Trainables.Where(trained => trained.Value.grad is not null).Select(trained => trained.Value.grad!.clone())];
        }

        T ByModules<T>(Func<T> run)
        {
            using var hooks = new SilentHooks(model.Backbone);
            Taken(false);
            return run();
        }

        void Taken(bool expected)
        {
            var found = new List<bool>();
            var hooks = model.Backbone.Layers.Select(each => each.register_forward_hook((_, input, context, output) =>
            {
                using var whole = each.NormLastByNode(input, context);
                found.Add(whole is not null);
                return output.alias();
            })).ToList();
            Forward().Dispose();
            foreach (var hook in hooks) hook.remove();
            found.ShouldBe([expected, expected]);
        }
    }
}
