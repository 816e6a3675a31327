using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using OnnxVlm.Imaging;

namespace OnnxVlm.Runtime;

/// <summary>
/// Decodes PNG and JPEG with the operator <c>DecodeImage</c> of ONNX Runtime Extensions: grey, palette and 16-bit images come out as 8-bit RGB,
/// alpha is dropped, CMYK is converted. Interlaced PNG is refused, because the operator reads it wrongly.
/// Thread-safe; owns a native session.
/// </summary>
internal sealed class OrtImageDecoder : IImageDecoder, IDisposable
{
    private static readonly string[] InputNames = ["encoded"];
    private static readonly string[] OutputNames = ["pixels"];

    private readonly InferenceSession _session;
    private readonly RunOptions _runOptions;
    private int _disposed;

    /// <summary>Loads the operator.</summary>
    /// <exception cref="VlmException">The library of ONNX Runtime Extensions is missing or does not load.</exception>
    public OrtImageDecoder()
    {
        // Without an arena the memory of a large image goes back at once. Errors reach the caller as exceptions, not as lines on stderr.
        using var options = new SessionOptions
        {
            IntraOpNumThreads = 1,
            InterOpNumThreads = 1,
            EnableCpuMemArena = false,
            EnableMemoryPattern = false,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
        };
        try
        {
            options.RegisterOrtExtensions();
            _session = new InferenceSession(OneNodeModel.DecodeImage(InputNames[0], OutputNames[0]), options);
        }
        catch (Exception e) when (e is OnnxRuntimeException or DllNotFoundException or EntryPointNotFoundException)
        {
            throw new VlmException($"The image decoder does not load: {e.Message}. Reference Microsoft.ML.OnnxRuntime.Extensions, or give another IImageDecoder.", e);
        }

        _runOptions = new RunOptions { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL };
        NativeOwner.Created();
    }

    /// <inheritdoc />
    public IReadOnlyList<ImageFormat> Formats { get; } = [ImageFormat.Png, ImageFormat.Jpeg];

    /// <inheritdoc />
    /// <exception cref="ObjectDisposedException">The decoder is disposed.</exception>
    public unsafe RgbImage Decode(ReadOnlySpan<byte> encoded, ImageHeader header)
    {
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        string format = ImageHeader.Name(header.Format);
        if (!Formats.Contains(header.Format))
            throw new InvalidImageException($"{format} images are not supported here; send PNG or JPEG");

        if (ImageHeader.Read(encoded) != header)
            throw new ArgumentException("the header is not that of the image", nameof(header));
        if (header.Format == ImageFormat.Jpeg)
            JpegFile.Check(encoded); // libjpeg ends the process at an error: it must never see a file that has not passed this
        else
            PngFile.Check(encoded);
        if (header.Format == ImageFormat.Png && PngFile.IsInterlaced(encoded))
            throw new InvalidImageException("unsupported PNG image: it is interlaced (Adam7); save it without interlacing");

        try
        {
            fixed (byte* data = encoded)
            {
                using OrtValue input = OrtValue.CreateTensorValueWithData(OrtMemoryInfo.DefaultInstance, TensorElementType.UInt8, [encoded.Length], (nint)data, encoded.Length);
                using IDisposableReadOnlyCollection<OrtValue> results = _session.Run(_runOptions, InputNames, [input], OutputNames);
                ReadOnlySpan<byte> pixels = results[0].GetTensorDataAsSpan<byte>();
                return ToRgb(pixels, results[0].GetTensorTypeAndShape().Shape, header, invertedCmyk: header.Format == ImageFormat.Jpeg && JpegFile.HasAdobeSegment(encoded));
            }
        }
        catch (OnnxRuntimeException e)
        {
            throw new InvalidImageException($"damaged {format} image: its data cannot be decoded; send another file", e);
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        _session.Dispose();
        _runOptions.Dispose();
        NativeOwner.Disposed();
    }

    /// <param name="pixels">uint8 <paramref name="shape"/>.</param>
    /// <param name="shape">[height, width, channels]; 1 channel for grey, 3 for RGB, 4 for CMYK.</param>
    /// <param name="header">The size that is expected.</param>
    /// <param name="invertedCmyk">Whether 255 means no ink, as in files of Adobe's programs.</param>
    private static RgbImage ToRgb(ReadOnlySpan<byte> pixels, long[] shape, ImageHeader header, bool invertedCmyk)
    {
        if (shape.Length != 3 || shape[0] != header.HeightPx || shape[1] != header.WidthPx || shape[2] is not (1 or 3 or 4))
            throw new InvalidImageException($"unsupported {ImageHeader.Name(header.Format)} image: decoded as [{string.Join(", ", shape)}], expected {header.WidthPx}×{header.HeightPx} grey, RGB or CMYK");
        byte[] rgb = GC.AllocateUninitializedArray<byte>(checked(3 * header.WidthPx * header.HeightPx));
        switch (shape[2])
        {
            case 3:
                pixels.CopyTo(rgb);
                break;
            case 1:
                for (int i = 0; i < pixels.Length; i++)
                    rgb.AsSpan(3 * i, 3).Fill(pixels[i]);
                break;
            default:
                CmykToRgb(pixels, rgb, invertedCmyk);
                break;
        }

        return new RgbImage(header.WidthPx, header.HeightPx, rgb);
    }

    /// <summary>Light of a colour = (255 − its ink) · (255 − black) / 255, without a colour profile, as Pillow does.</summary>
    private static void CmykToRgb(ReadOnlySpan<byte> pixels, Span<byte> rgb, bool inverted)
    {
        int invert = inverted ? 0 : 255;
        for (int from = 0, to = 0; to < rgb.Length; from += 4, to += 3)
        {
            int light = pixels[from + 3] ^ invert;
            for (int i = 0; i < 3; i++)
                rgb[to + i] = (byte)(((pixels[from + i] ^ invert) * light + 127) / 255);
        }
    }
}
