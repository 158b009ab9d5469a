using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

public sealed class ResizingTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly IDisposable grad = no_grad();

    public void Dispose()
    {
        grad.Dispose();
        scope.Dispose();
        folder.Dispose();
    }

    private static Tensor Head(CausalLM model) => model.Head.Weight;

    [Theory]
    [InlineData("llama", false)]   // a head of its own
    [InlineData("qwen3", true)]
    [InlineData("gpt2", true)]
    public void New_rows_join_the_old_ones_which_keep_their_bits(string name, bool tied)
    {
        using var model = CausalLM.FromPretrained(Reference.Folder(name));
        var ids = Reference.Values(name)["input_ids"];
        var (before, rows, head) = (model.forward(ids), model.InputEmbeddings.Weight.clone(), Head(model).clone());
        var names = model.named_parameters().Select(each => each.name).ToList();
        var size = (int)rows.shape[0];

        model.ResizeTokenEmbeddings(size + 3).ShouldBe(size + 3);
        model.InputEmbeddings.Weight.shape.ShouldBe([size + 3, rows.shape[1]]);
        ReferenceEquals(model.Head.Weight, model.InputEmbeddings.Weight).ShouldBe(tied);
        model.named_parameters().Select(each => each.name).ShouldBe(names, ignoreOrder: true);
        model.InputEmbeddings.Weight.narrow(0, 0, size).bytes.SequenceEqual(rows.bytes).ShouldBeTrue();
        Head(model).narrow(0, 0, size).bytes.SequenceEqual(head.bytes).ShouldBeTrue();
        // A billionth of the covariance: the deviation is 3e-5 of the rows' own, of which five are certain.
        foreach (var (now, old) in new[] { (model.InputEmbeddings.Weight, rows), (Head(model), head) })
        {
            var away = now.narrow(0, size, 3).sub(old.mean([0], keepdim: true)).abs().max().item<float>();
            away.ShouldBeInRange(1e-12f, 5 * 3.2e-5f * old.std().item<float>());
        }
        model.forward(ids).narrow(2, 0, size).Difference(before).ShouldBeLessThan(1e-6);   // products in blocks of another size
        (model.Spec.VocabularySize, model.Config["vocab_size"]!.GetValue<int>(), model.ResizedFrom).ShouldBe((size + 3, size + 3, size));

        model.ResizeTokenEmbeddings(size);
        model.forward(ids).Difference(before).ShouldBe(0);
        model.ResizedFrom.ShouldBeNull();
    }

    [Fact]
    public void A_seed_decides_the_new_rows_and_the_kind_what_they_are()
    {
        Tensor Rows(NewTokenRows kind, long seed)
        {
            var model = CausalLM.FromPretrained(Reference.Folder("llama"));
            model.ResizeTokenEmbeddings(100, rows: kind, seed: seed);
            return model.InputEmbeddings.Weight.narrow(0, 96, 4);
        }
        var first = Rows(NewTokenRows.MeanAndCovariance, 1);
        first.Difference(Rows(NewTokenRows.MeanAndCovariance, 1)).ShouldBe(0);
        first.Difference(Rows(NewTokenRows.MeanAndCovariance, 2)).ShouldBeGreaterThan(0);
        var mean = Rows(NewTokenRows.Mean, 1);
        mean.Difference(Rows(NewTokenRows.Mean, 2)).ShouldBe(0);
        mean.sub(mean.narrow(0, 0, 1)).abs().max().item<float>().ShouldBe(0);
        Rows(NewTokenRows.Random, 1).std().item<float>().ShouldBe(0.02f, 0.005);   // 128 numbers of initializer_range 0.02
    }

    [Fact]
    public void The_spread_of_new_rows_is_that_of_the_old_ones()
    {
        using var model = CausalLM.FromPretrained(Reference.Folder("llama"));
        var old = model.InputEmbeddings.Weight.to(float64);
        model.ResizeTokenEmbeddings(96 + 4000);
        var rows = model.InputEmbeddings.Weight.narrow(0, 96, 4000).to(float64);
        static Tensor Covariance(Tensor rows)
        {
            var centred = rows.sub(rows.mean([0], keepdim: true));
            return centred.t().mm(centred).div(rows.shape[0]);
        }
        var (expected, actual) = (Covariance(old).mul(1e-9), Covariance(rows));
        // 4000 samples: each entry is known to some 2% of the variance; float32 rounding of the mean adds less.
        actual.sub(expected).abs().max().item<double>().ShouldBeLessThan(0.1 * expected.diagonal().max().item<double>());
    }

    [Fact]
    public void A_padded_size_is_a_multiple()
    {
        using var model = CausalLM.FromPretrained(Reference.Folder("llama"), new LoadOptions { Dtype = ScalarType.BFloat16 });
        model.ResizeTokenEmbeddings(97, padToMultipleOf: 64).ShouldBe(128);
        Head(model).shape[0].ShouldBe(128);
        Head(model).dtype.ShouldBe(ScalarType.BFloat16);
        model.ResizeTokenEmbeddings(10);
        Head(model).shape[0].ShouldBe(10);
        Should.Throw<ArgumentException>(() => model.ResizeTokenEmbeddings(0));
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("gemma")]
    public void A_resized_model_is_saved_generates_and_trains(string name)
    {
        using var model = CausalLM.FromPretrained(Reference.Folder(name));
        model.ResizeTokenEmbeddings(model.Spec.VocabularySize + 5, seed: 3);
        model.SavePretrained(folder);
        using var again = CausalLM.FromPretrained(folder);
        var ids = tensor(new long[,] { { 3, model.Spec.VocabularySize - 1, 4 } });
        again.forward(ids).Difference(model.forward(ids)).ShouldBe(0);
        using (enable_grad())
        {
            model.Loss(new ModelInput { InputIds = ids }, ids).backward();
            model.InputEmbeddings.Weight.grad!.shape[0].ShouldBe(model.Spec.VocabularySize);
        }
        model.to(ScalarType.Float64);
        model.InputEmbeddings.Weight.dtype.ShouldBe(ScalarType.Float64);
        Head(model).dtype.ShouldBe(ScalarType.Float64);
    }

    [Fact]
    public void A_classifier_keeps_its_head()
    {
        using var model = SequenceClassifier.FromPretrained(Reference.Folder("llama"), new LoadOptions { LabelCount = 96 });
        model.ResizeTokenEmbeddings(99);
        model.Head.Weight.shape[0].ShouldBe(96);
        model.InputEmbeddings.Weight.shape[0].ShouldBe(99);
    }

    [Fact]
    public void Added_tokens_and_rows_go_together()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var tokenizer = Tokenizer.FromPretrained(Reference.Stories);
        tokenizer.AddTokens(["<tool>", "</tool>"], special: true).ShouldBe(2);
        model.ResizeTokenEmbeddings(tokenizer.VocabularySize);
        var ids = tokenizer.Encode("Once <tool>upon</tool> a time");
        ids.ShouldContain(tokenizer.VocabularySize - 1);
        model.forward(tensor(ids.Select(id => (long)id).ToArray()).unsqueeze(0)).shape.ShouldBe([1, ids.Count, tokenizer.VocabularySize]);
    }
}
